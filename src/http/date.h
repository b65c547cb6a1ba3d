// HTTP dates (RFC 9110 section 5.6.7), in seconds since 1970-01-01 UTC. Written by hand rather than
// with strftime and strptime: those ask the locale and accept what the RFC does not. Pure
// functions, any thread.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace allcores::http {

// The length of every date that is sent: "Sun, 06 Nov 1994 08:49:37 GMT".
inline constexpr std::size_t date_length = 29;

// Writes the date in the form that servers must send (IMF-fixdate). The form has four digits for
// the year: a time before the year 0 or after 9999 is written as the first or the last second that
// it can name.
void format_date(std::int64_t seconds, std::span<char, date_length> out);
std::string format_date(std::int64_t seconds);

// Reads any of the three forms that recipients must accept: IMF-fixdate, RFC 850 ("Sunday,
// 06-Nov-94 08:49:37 GMT") and asctime ("Sun Nov  6 08:49:37 1994"). Strict, as the RFC asks: case
// matters, the weekday must be the date's, and nothing may stand before or after. A leap second
// (23:59:60) counts as the second after it. The two-digit year of RFC 850 is the one that lies at
// most 50 years after `now`.
std::optional<std::int64_t> parse_date(std::string_view text,
                                       std::int64_t now = std::time(nullptr));

}  // namespace allcores::http
