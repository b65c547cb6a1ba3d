// Conditional requests (RFC 9110 section 13): entity tags, and which of the If- fields decides.
// Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace allcores::http {

// Whether text is an entity tag: "abc" or W/"abc", quotes included.
[[nodiscard]] bool is_etag(std::string_view text);

// Two entity tags. Strong: equal, and neither weak. Weak: equal but for the W/.
[[nodiscard]] bool etag_equal_strong(std::string_view a, std::string_view b);
[[nodiscard]] bool etag_equal_weak(std::string_view a, std::string_view b);

// The fields of a request that conditions and ranges are read from. Feed it every field of the
// header; it keeps those six. A list that came in several lines is joined; one of the others that
// came twice is invalid, so it is as if absent.
class request_conditions {
 public:
    // Returns whether the field was one of the six. The name's case does not matter.
    bool add(std::string_view name, std::string_view value);

    std::optional<std::string> if_match;
    std::optional<std::string> if_none_match;
    std::optional<std::string> if_modified_since;
    std::optional<std::string> if_unmodified_since;
    std::optional<std::string> if_range;
    std::optional<std::string> range;

 private:
    unsigned repeated_ = 0;  // one bit for each of the last four that came twice
};

// What the server has: an entity tag (empty: none) and the time of the last change, in seconds
// since 1970.
struct validators {
    std::string_view etag;
    std::optional<std::int64_t> last_modified;
};

enum class precondition { proceed, not_modified, failed };

// The fields in the order of section 13.2.2: If-Match, else If-Unmodified-Since; then
// If-None-Match, else If-Modified-Since. proceed: do what is asked; not_modified: 304 (only for GET
// and HEAD); failed: 412. To be asked when the answer would otherwise be a success, and before
// anything is changed.
precondition check_preconditions(std::string_view method, const request_conditions& conditions,
                                 const validators& current);

// Whether Range may be followed: there is no If-Range, or it names what the server has: by a strong
// entity tag, or by a date that is exactly the last change's and is past (within that second the
// file may change again).
[[nodiscard]] bool if_range_holds(const request_conditions& conditions, const validators& current,
                                  std::int64_t now);

}  // namespace allcores::http
