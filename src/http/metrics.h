// What a server has counted, in Prometheus' text format (version 0.0.4). Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "http/statistics.h"

namespace allcores::http {

inline constexpr std::string_view metrics_type = "text/plain; version=0.0.4; charset=utf-8";

// One for each place of a worker, in order; those where none has been are left out. `serving`: how
// many serve.
std::string metrics_text(const std::vector<statistics>& workers, unsigned serving,
                         std::uint64_t open_connections);

}  // namespace allcores::http
