#include "http/date.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "http/syntax.h"

namespace allcores::http {
namespace {

constexpr std::array<std::string_view, 7> short_days = {"Sun", "Mon", "Tue", "Wed",
                                                        "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 7> long_days = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::int64_t day_seconds = 86400;

std::int64_t seconds_of(int year) {
    using namespace std::chrono;
    return sys_days{std::chrono::year{year} / January / 1}.time_since_epoch().count() * day_seconds;
}

void put_digits(char* to, unsigned value, int digits) {
    while (digits-- > 0) {
        to[digits] = static_cast<char>('0' + value % 10);
        value /= 10;
    }
}

// Reads a date from left to right. Each step is false when the text does not have what is asked
// for.
class date_reader {
 public:
    explicit date_reader(std::string_view text) : rest_(text) {}

    bool literal(std::string_view expected) {
        if (!rest_.starts_with(expected)) return false;
        rest_.remove_prefix(expected.size());
        return true;
    }

    bool number(std::size_t digits, int& out) {
        if (rest_.size() < digits) return false;
        out = 0;
        for (std::size_t i = 0; i < digits; ++i) {
            if (!is_digit(rest_[i])) return false;
            out = out * 10 + (rest_[i] - '0');
        }
        rest_.remove_prefix(digits);
        return true;
    }

    template <std::size_t N>
    bool name(const std::array<std::string_view, N>& names, int& out) {
        for (std::size_t i = 0; i < N; ++i) {
            if (literal(names[i])) {
                out = static_cast<int>(i);
                return true;
            }
        }
        return false;
    }

    bool time(int& hour, int& minute, int& second) {
        return number(2, hour) && literal(":") && number(2, minute) && literal(":") &&
               number(2, second);
    }

    bool at_end() const { return rest_.empty(); }

 private:
    std::string_view rest_;
};

struct parts {
    int weekday = 0, year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
    bool short_year = false;
};

bool read_fixdate(std::string_view text, parts& out) {
    date_reader reader(text);
    return reader.name(short_days, out.weekday) && reader.literal(", ") &&
           reader.number(2, out.day) && reader.literal(" ") && reader.name(months, out.month) &&
           reader.literal(" ") && reader.number(4, out.year) && reader.literal(" ") &&
           reader.time(out.hour, out.minute, out.second) && reader.literal(" GMT") &&
           reader.at_end();
}

bool read_rfc850(std::string_view text, parts& out) {
    date_reader reader(text);
    out.short_year = true;
    return reader.name(long_days, out.weekday) && reader.literal(", ") &&
           reader.number(2, out.day) && reader.literal("-") && reader.name(months, out.month) &&
           reader.literal("-") && reader.number(2, out.year) && reader.literal(" ") &&
           reader.time(out.hour, out.minute, out.second) && reader.literal(" GMT") &&
           reader.at_end();
}

bool read_asctime(std::string_view text, parts& out) {
    date_reader reader(text);
    if (!reader.name(short_days, out.weekday) || !reader.literal(" ") ||
        !reader.name(months, out.month) || !reader.literal(" ")) {
        return false;
    }
    const bool one_digit = reader.literal(" ");
    return reader.number(one_digit ? 1 : 2, out.day) && reader.literal(" ") &&
           reader.time(out.hour, out.minute, out.second) && reader.literal(" ") &&
           reader.number(4, out.year) && reader.at_end();
}

std::optional<std::int64_t> seconds_of(const parts& date) {
    using namespace std::chrono;
    const auto month = static_cast<unsigned>(date.month + 1);
    const auto day = static_cast<unsigned>(date.day);
    const year_month_day when{year{date.year}, std::chrono::month{month}, std::chrono::day{day}};
    if (!when.ok()) return std::nullopt;
    const sys_days days{when};
    if (static_cast<int>(weekday{days}.c_encoding()) != date.weekday) return std::nullopt;
    const bool leap_second = date.hour == 23 && date.minute == 59 && date.second == 60;
    if (date.hour > 23 || date.minute > 59 || (date.second > 59 && !leap_second)) {
        return std::nullopt;
    }
    return days.time_since_epoch().count() * day_seconds + date.hour * 3600 + date.minute * 60 +
           date.second;
}

int year_at(std::int64_t seconds) {
    using namespace std::chrono;
    return static_cast<int>(
        year_month_day{floor<days>(sys_seconds{std::chrono::seconds{seconds}})}.year());
}

// The latest year with these two digits of which the date is not more than 50 years after now.
std::optional<std::int64_t> seconds_with_short_year(parts date, std::int64_t now) {
    now = std::clamp(now, seconds_of(0), seconds_of(10000) - 1);
    const int this_year = year_at(now);
    // The same day and time 50 years on; of February 29th, in a year without one, March 1st.
    const std::int64_t limit = now - seconds_of(this_year) + seconds_of(this_year + 50);
    int year = this_year + 50;
    year -= ((year - date.year) % 100 + 100) % 100;
    date.year = year;
    auto found = seconds_of(date);
    if (year == this_year + 50 && (!found || *found > limit)) {
        date.year = year - 100;
        found = seconds_of(date);
    }
    return found;
}

}  // namespace

void format_date(std::int64_t seconds, std::span<char, date_length> out) {
    using namespace std::chrono;
    static const std::int64_t first = seconds_of(0);
    static const std::int64_t last = seconds_of(10000) - 1;
    const sys_seconds when{std::chrono::seconds{std::clamp(seconds, first, last)}};
    const sys_days day = floor<days>(when);
    const year_month_day date{day};
    const auto time = static_cast<unsigned>((when - day).count());
    char* to = out.data();
    std::memcpy(to, "Sun, 00 Jan 0000 00:00:00 GMT", date_length);
    std::memcpy(to, short_days[weekday{day}.c_encoding()].data(), 3);
    put_digits(to + 5, static_cast<unsigned>(date.day()), 2);
    std::memcpy(to + 8, months[static_cast<unsigned>(date.month()) - 1].data(), 3);
    put_digits(to + 12, static_cast<unsigned>(static_cast<int>(date.year())), 4);
    put_digits(to + 17, time / 3600, 2);
    put_digits(to + 20, time / 60 % 60, 2);
    put_digits(to + 23, time % 60, 2);
}

std::string format_date(std::int64_t seconds) {
    std::string text(date_length, '\0');
    format_date(seconds, std::span<char, date_length>(text.data(), date_length));
    return text;
}

std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now) {
    if (parts date; read_fixdate(text, date)) return seconds_of(date);
    if (parts date; read_rfc850(text, date)) return seconds_with_short_year(date, now);
    if (parts date; read_asctime(text, date)) return seconds_of(date);
    return std::nullopt;
}

}  // namespace allcores::http
