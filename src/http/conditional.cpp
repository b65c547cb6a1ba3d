#include "http/conditional.h"

#include <array>

#include "http/date.h"
#include "http/syntax.h"

namespace allcores::http {
namespace {

constexpr bool is_etag_char(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0x21 || (byte >= 0x23 && byte <= 0x7e) || byte >= 0x80;
}

// The entity tag at the front of text; empty if there is none.
std::string_view leading_etag(std::string_view text) {
    std::size_t i = text.starts_with("W/") ? 2 : 0;
    if (i >= text.size() || text[i] != '"') return {};
    for (++i; i < text.size() && is_etag_char(text[i]); ++i) {
    }
    return i < text.size() && text[i] == '"' ? text.substr(0, i + 1) : std::string_view{};
}

std::string_view opaque_part(std::string_view etag) {
    return etag.starts_with("W/") ? etag.substr(2) : etag;
}

// Whether a list of entity tags, or "*", has one that equals the current one. A list that is not
// one has none, whatever stood before the mistake.
bool list_has(std::string_view list, std::string_view current,
              bool (*equal)(std::string_view, std::string_view)) {
    list = trim(list);
    if (list == "*") return true;
    bool found = false;
    while (!list.empty()) {
        if (list.front() == ',') {  // a list may have empty elements
            list = trim(list.substr(1));
            continue;
        }
        const std::string_view etag = leading_etag(list);
        if (etag.empty()) return false;
        found |= !current.empty() && equal(etag, current);
        list = trim(list.substr(etag.size()));
        if (!list.empty() && list.front() != ',') return false;
    }
    return found;
}

bool is_safe(std::string_view method) {
    return method == "GET" || method == "HEAD";
}

}  // namespace

bool is_etag(std::string_view text) {
    return !text.empty() && leading_etag(text).size() == text.size();
}

bool etag_equal_strong(std::string_view a, std::string_view b) {
    return a == b && !a.starts_with("W/");
}

bool etag_equal_weak(std::string_view a, std::string_view b) {
    return opaque_part(a) == opaque_part(b);
}

bool request_conditions::add(std::string_view name, std::string_view value) {
    struct known {
        std::string_view name;
        std::optional<std::string> request_conditions::* field;
        bool is_list;
    };
    static constexpr std::array<known, 6> fields = {{
        {"if-match", &request_conditions::if_match, true},
        {"if-none-match", &request_conditions::if_none_match, true},
        {"if-modified-since", &request_conditions::if_modified_since, false},
        {"if-unmodified-since", &request_conditions::if_unmodified_since, false},
        {"if-range", &request_conditions::if_range, false},
        {"range", &request_conditions::range, false},
    }};
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (!equal_ignoring_case(name, fields[i].name)) continue;
        auto& field = this->*fields[i].field;
        const unsigned bit = 1U << i;
        if (fields[i].is_list && field) {
            field->append(", ").append(value);
        } else if (!field && (repeated_ & bit) == 0) {
            field = std::string(value);
        } else {
            field.reset();
            repeated_ |= bit;
        }
        return true;
    }
    return false;
}

precondition check_preconditions(std::string_view method, const request_conditions& conditions,
                                 const validators& current) {
    const auto date_of = [](const std::optional<std::string>& field) {
        return field ? parse_date(*field) : std::nullopt;
    };
    if (conditions.if_match) {
        if (!list_has(*conditions.if_match, current.etag, etag_equal_strong)) {
            return precondition::failed;
        }
    } else if (const auto since = date_of(conditions.if_unmodified_since);
               since && current.last_modified && *current.last_modified > *since) {
        return precondition::failed;
    }
    if (conditions.if_none_match) {
        if (list_has(*conditions.if_none_match, current.etag, etag_equal_weak)) {
            return is_safe(method) ? precondition::not_modified : precondition::failed;
        }
    } else if (const auto since = date_of(conditions.if_modified_since);
               since && is_safe(method) && current.last_modified &&
               *current.last_modified <= *since) {
        return precondition::not_modified;
    }
    return precondition::proceed;
}

bool if_range_holds(const request_conditions& conditions, const validators& current,
                    std::int64_t now) {
    if (!conditions.if_range) return true;
    const std::string& field = *conditions.if_range;
    if (is_etag(field)) return etag_equal_strong(field, current.etag);
    const auto since = parse_date(field, now);
    return since && current.last_modified && *since == *current.last_modified &&
           *current.last_modified < now;
}

}  // namespace allcores::http
