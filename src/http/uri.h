// Request targets (RFC 9112 section 3.2), percent-encoding (RFC 3986) and query strings (the WHATWG
// URL standard's application/x-www-form-urlencoded). Pure functions, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace allcores::http {

// A request target taken apart; the views point into it.
struct request_target {
    enum class form { origin, absolute, authority, asterisk };
    form kind = form::origin;
    std::string_view scheme;     // only of the absolute form
    std::string_view authority;  // only of the absolute and the authority form
    std::string_view
        path;  // encoded as it came; "/" for an absolute form without one, "*" for asterisk
    std::string_view query;  // after the first "?", encoded as it came
    bool has_query = false;  // "/a?" has an empty one, "/a" has none
};

// False when the target has none of the forms that the method allows, and the answer is 400:
// CONNECT takes host:port only, OPTIONS also takes "*", everything else a path or an http(s) URL. A
// fragment ("#") is never part of a target.
[[nodiscard]] bool parse_target(std::string_view method, std::string_view raw, request_target& out);

// Whether text can be the value of Host: a name, an IPv4 address or a bracketed IPv6 address, and
// perhaps a port. Empty is allowed, for targets that have no authority. User information
// ("me@host") is not.
[[nodiscard]] bool is_host(std::string_view text);

// The path with its percent-escapes decoded. Returns whether that changed anything; if not, `out`
// is left as it was and `raw` itself is the path, which is the common case and costs one scan. The
// result is always UTF-8: what is not becomes U+FFFD, as Python's errors="replace" does it, and a
// "%" that two hexadecimal digits do not follow stays as it is. It equals
// urllib.parse.unquote(raw). It can contain "/" that was escaped, ".." and NUL: a path from here is
// text for an application, not yet the name of a file.
bool decode_path(std::string_view raw, std::string& out);

// The same for one name or value of a query, where "+" is a space too. Appends to `out`.
void decode_form_text(std::string_view raw, std::string& out);

using field_pairs = std::vector<std::pair<std::string, std::string>>;

inline constexpr std::size_t most_query_fields = 1000;

// Appends the fields of a query string or of a form's body, in order. Empty pieces ("a=1&&b=2") are
// skipped, a name without "=" has an empty value. Returns false, with the first `most` fields in
// place, when there are more: the limit keeps a small request from becoming a large heap.
[[nodiscard]] bool parse_query(std::string_view raw, field_pairs& out,
                               std::size_t most = most_query_fields);

// Replaces what is not UTF-8 by U+FFFD, one for each maximal part of a sequence, as Python and the
// WHATWG do. Returns whether it had to.
bool replace_invalid_utf8(std::string& text);

}  // namespace allcores::http
