// The media type of a file by the ending of its name. A table of our own: the system's differs from
// machine to machine, and an answer should not. Pure functions, any thread.
#pragma once

#include <string_view>

namespace allcores::http {

inline constexpr std::string_view unknown_media_type = "application/octet-stream";

// The value for Content-Type; text comes with "; charset=utf-8". The ending's case does not matter.
// Of "a.tar.gz" only
// ".gz" counts, and a name that only begins with a dot has no ending.
std::string_view media_type(std::string_view path);

}  // namespace allcores::http
