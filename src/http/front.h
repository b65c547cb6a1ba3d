// What happens to a request before the application sees it, and without it: its real client behind
// proxies, the limit of requests at a time, the answers that the server has itself (files, health,
// metrics), and the access log. Made of the options when the server is; shared by all workers.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "http/access_log.h"
#include "http/forwarded.h"
#include "http/static_files.h"

namespace allcores::http {

struct front {
    trusted_proxies proxies;
    static_files files;
    std::string health;  // the paths; empty: none
    std::string metrics;
    std::uint32_t most_requests = 0;  // that are being answered at a time; 0: no limit
    std::optional<access_log> log;

    // Whether there is anything to do for a request.
    bool is_needed() const {
        return !proxies.empty() || !files.empty() || !health.empty() || !metrics.empty() ||
               most_requests != 0 || log;
    }
};

}  // namespace allcores::http
