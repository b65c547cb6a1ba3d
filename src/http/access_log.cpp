#include "http/access_log.h"

#include <array>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <utility>

#include "http/syntax.h"

namespace allcores::http {
namespace {

// What could end a line, or a value in quotes, is written as Apache and nginx do.
void append_escaped(std::string& out, std::string_view text) {
    for (const char each : text) {
        const auto byte = static_cast<unsigned char>(each);
        if (byte < 0x20 || byte >= 0x7f || each == '"' || each == '\\') {
            constexpr const char* digits = "0123456789ABCDEF";
            out.append("\\x").push_back(digits[byte >> 4]);
            out.push_back(digits[byte & 15]);
        } else {
            out.push_back(each);
        }
    }
}

// An empty one is "-", as in every such log.
void set_value(std::string& out, std::string_view text) {
    out.clear();
    append_escaped(out, text);
    if (out.empty()) out = "-";
}

// The user of "Basic …" (RFC 7617).
std::string user_of(std::string_view authorization) {
    if (authorization.size() < 6 || !equal_ignoring_case(authorization.substr(0, 6), "basic ")) {
        return {};
    }
    std::string decoded;
    unsigned bits = 0;
    int count = 0;
    for (const char each : trim(authorization.substr(6))) {
        constexpr std::string_view digits =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const std::size_t digit = digits.find(each);
        if (digit == std::string_view::npos) break;
        bits = (bits << 6) | static_cast<unsigned>(digit);
        if ((count += 6) < 8) continue;
        count -= 8;
        decoded.push_back(static_cast<char>((bits >> count) & 0xff));
    }
    return decoded.substr(0, decoded.find(':'));
}

// Empty where it has not come.
std::string version_of(const request& request) {
    if (request.major == 0) return {};
    return "HTTP/" + std::to_string(request.major) + "." + std::to_string(request.minor);
}

std::string time_of(std::int64_t seconds) {
    const std::time_t time = seconds;
    std::tm local{};
    ::localtime_r(&time, &local);
    std::array<char, 64> text;
    const std::size_t size =
        std::strftime(text.data(), text.size(), "[%d/%b/%Y:%H:%M:%S %z]", &local);
    return {text.data(), size};
}

void append_number(byte_buffer& out, std::uint64_t number, int least_digits = 1) {
    std::array<char, 20> digits;
    char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    for (auto missing = least_digits - (end - digits.data()); missing > 0; --missing) {
        out.append("0");
    }
    out.append({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

std::string_view field_of(std::string_view fields, std::string_view name) {
    while (!fields.empty()) {
        const std::size_t end = fields.find("\r\n");
        const std::string_view line = fields.substr(0, end);
        const std::size_t colon = line.find(':');
        if (equal_ignoring_case(line.substr(0, colon), name)) return trim(line.substr(colon + 1));
        fields.remove_prefix(std::min(fields.size(), end + 2));
    }
    return {};
}

}  // namespace

access_log::atom access_log::atom_of(std::string_view name) {
    static constexpr std::pair<std::string_view, kind> known[] = {
        {"h", kind::host},    {"p", kind::port},         {"u", kind::user},
        {"t", kind::time},    {"r", kind::line},         {"m", kind::method},
        {"U", kind::path},    {"q", kind::query},        {"H", kind::protocol},
        {"s", kind::status},  {"B", kind::bytes},        {"b", kind::bytes_or_dash},
        {"T", kind::seconds}, {"M", kind::milliseconds}, {"D", kind::microseconds},
        {"L", kind::decimal},
    };
    for (const auto& [text, what] : known) {
        if (name == text) return {what, {}};
    }
    if (name == "l") return {kind::text, "-"};
    if (name == "f") return {kind::in_field, "referer"};
    if (name == "a") return {kind::in_field, "user-agent"};
    if (name.size() > 3 && name.starts_with('{') && name[name.size() - 2] == '}') {
        std::string inner(name.substr(1, name.size() - 3));
        if (name.back() == 'i') return {kind::in_field, inner};
        if (name.back() == 'o') return {kind::out_field, inner};
        if (name.back() == 'e') {
            const char* value = std::getenv(inner.c_str());
            atom made{kind::text, {}};
            set_value(made.text, value ? value : "");
            return made;
        }
    }
    throw std::invalid_argument("there is no atom %(" + std::string(name) +
                                ")s; there are h l u t r m U q H s b B f a p T M D L, {name}i, "
                                "{name}o and {name}e");
}

access_log::access_log(std::string_view format) {
    std::string plain;
    const auto end_plain = [&] {
        if (!plain.empty()) atoms_.push_back({kind::text, std::exchange(plain, {})});
    };
    while (!format.empty()) {
        if (format.front() != '%') {
            plain.push_back(format.front());
            format.remove_prefix(1);
        } else if (format.starts_with("%%")) {
            plain.push_back('%');
            format.remove_prefix(2);
        } else {
            const std::size_t end = format.find(")s");
            if (!format.starts_with("%(") || end == std::string_view::npos) {
                throw std::invalid_argument("'" + std::string(format.substr(0, 20)) +
                                            "' is no atom: they look like %(h)s, and %% is a %");
            }
            end_plain();
            atoms_.push_back(atom_of(format.substr(2, end - 2)));
            format.remove_prefix(end + 2);
        }
    }
    end_plain();
}

void access_log::take(const request& request, std::vector<std::string>& values) const {
    values.resize(atoms_.size());
    for (std::size_t i = 0; i < atoms_.size(); ++i) {
        std::string& value = values[i];
        switch (atoms_[i].what) {
            case kind::host:
                set_value(value, request.client.host);
                break;
            case kind::port:
                set_value(value, std::to_string(request.client.port));
                break;
            case kind::user:
                set_value(value, user_of(request.header("authorization")));
                break;
            case kind::line:
                set_value(value, request.method);
                if (request.method.empty()) break;
                value.push_back(' ');
                append_escaped(value, request.target);
                if (request.major) value.append(" ").append(version_of(request));
                break;
            case kind::method:
                set_value(value, request.method);
                break;
            case kind::path:
                set_value(value, request.path);
                break;
            case kind::query:
                set_value(value, request.query);
                if (request.query.empty() && !request.method.empty()) value.clear();
                break;
            case kind::protocol:
                set_value(value, version_of(request));
                break;
            case kind::in_field:
                set_value(value, request.header(atoms_[i].text));
                break;
            default:
                break;
        }
    }
}

void access_log::write(byte_buffer& out, const std::vector<std::string>& values,
                       const answer& answer) const {
    std::string text;
    for (std::size_t i = 0; i < atoms_.size(); ++i) {
        switch (atoms_[i].what) {
            case kind::text:
                out.append(atoms_[i].text);
                break;
            case kind::time:
                out.append(time_of(answer.unix_seconds));
                break;
            case kind::status:
                answer.status ? append_number(out, static_cast<unsigned>(answer.status))
                              : out.append("-");
                break;
            case kind::bytes:
                append_number(out, answer.bytes);
                break;
            case kind::bytes_or_dash:
                answer.bytes ? append_number(out, answer.bytes) : out.append("-");
                break;
            case kind::seconds:
                append_number(out, answer.ns / 1'000'000'000);
                break;
            case kind::milliseconds:
                append_number(out, answer.ns / 1'000'000);
                break;
            case kind::microseconds:
                append_number(out, answer.ns / 1000);
                break;
            case kind::decimal:
                append_number(out, answer.ns / 1'000'000'000);
                out.append(".");
                append_number(out, answer.ns / 1000 % 1'000'000, 6);
                break;
            case kind::out_field:
                set_value(text, equal_ignoring_case(atoms_[i].text, "content-type")
                                    ? answer.content_type
                                    : field_of(answer.fields, atoms_[i].text));
                out.append(text);
                break;
            default:
                out.append(values[i]);
        }
    }
    out.append("\n");
}

}  // namespace allcores::http
