#include "http/response.h"

#include <stdexcept>

#include "http/syntax.h"

namespace allcores::http {
namespace {

std::invalid_argument refused(std::string_view name, const char* why) {
    return std::invalid_argument("header " + std::string(name.substr(0, 80)) + ": " + why);
}

}  // namespace

void response::status(int code) {
    if (code < 200 || code > 999) {
        throw std::invalid_argument("status " + std::to_string(code) + " is not in 200 to 999");
    }
    status_ = code;
}

void response::reason(std::string_view phrase) {
    phrase = trim(phrase);
    if (!is_field_value(phrase)) {
        throw std::invalid_argument("status: the reason phrase has control characters");
    }
    reason_ = phrase;
}

void response::date(std::string_view value) {
    value = trim(value);
    if (!is_field_value(value)) throw refused("Date", "the value has control characters");
    fields_.append("Date: ").append(value).append("\r\n");
    names_date_ = true;
}

void response::content_type(std::string_view type) {
    // Most applications say the same few types again and again.
    if (type != checked_type_) {
        if (!is_field_value(type)) {
            throw refused("Content-Type", "the value has control characters");
        }
        checked_type_ = type;
    }
    content_type_ = type;
}

void response::header(std::string_view name, std::string_view value) {
    if (!is_token(name)) throw refused(name, "the name is not a token");
    value = trim(value);
    if (!is_field_value(value)) throw refused(name, "the value has control characters");
    switch (name.size()) {
        case 4:
            if (equal_ignoring_case(name, "date")) throw refused(name, "the server writes it");
            break;
        case 6:
            if (equal_ignoring_case(name, "server")) names_server_ = true;
            break;
        case 10:
            if (!equal_ignoring_case(name, "connection")) break;
            if (!equal_ignoring_case(value, "close"))
                throw refused(name, "only \"close\" is known");
            close_ = true;
            return;
        case 12:
            if (equal_ignoring_case(name, "content-type")) {
                content_type_ = value;
                return;
            }
            break;
        case 14:
            if (equal_ignoring_case(name, "content-length")) {
                throw refused(name, "the server writes it");
            }
            break;
        case 17:
            if (equal_ignoring_case(name, "transfer-encoding")) {
                throw refused(name, "the server writes it");
            }
            break;
        default:
            break;
    }
    fields_.append(name).append(": ").append(value).append("\r\n");
}

void response::file(file_plan&& plan) {
    status_ = plan.status();
    content_type_.clear();
    for (const auto& [name, value] : plan.fields()) {
        fields_.append(name).append(": ").append(value).append("\r\n");
    }
    plan_ = std::move(plan);
    body_kind_ = body_kind::file;
}

}  // namespace allcores::http
