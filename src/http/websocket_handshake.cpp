#include "http/websocket_handshake.h"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "http/sha1.h"
#include "http/syntax.h"
#include "http/websocket_offers.h"

namespace allcores::http {
namespace {

constexpr std::string_view version = "13";
constexpr std::size_t key_size = 16;
// What the key is joined with (RFC 6455 section 1.3).
constexpr std::string_view accept_suffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

// Calls take(element) for each element of the lists in all fields of that name, until it says
// false.
template <class Take>
bool each_element(const request& request, std::string_view lower_case_name, const Take& take) {
    for (const field& each : request.headers) {
        if (!equal_ignoring_case(each.name, lower_case_name)) continue;
        std::string_view rest = each.value;
        while (!rest.empty()) {
            const std::size_t comma = std::min(rest.find(','), rest.size());
            const std::string_view element = trim(rest.substr(0, comma));
            rest.remove_prefix(std::min(comma + 1, rest.size()));
            if (!element.empty() && !take(element)) return false;
        }
    }
    return true;
}

bool has_element(const request& request, std::string_view lower_case_name,
                 std::string_view element) {
    return !each_element(request, lower_case_name, [&](std::string_view each) {
        return !equal_ignoring_case(each, element);
    });
}

// The value of a field that must be there exactly once.
std::optional<std::string_view> only(const request& request, std::string_view lower_case_name) {
    std::optional<std::string_view> found;
    for (const field& each : request.headers) {
        if (!equal_ignoring_case(each.name, lower_case_name)) continue;
        if (found) return {};
        found = each.value;
    }
    return found;
}

std::string accept_of(std::string_view key) {
    const auto digest = sha1(std::string(key) += accept_suffix);
    return to_base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace

websocket_handshake websocket_handshake::refused(int status) {
    websocket_handshake refused;
    refused.what_ = kind::refused;
    refused.status_ = status;
    return refused;
}

websocket_handshake websocket_handshake::parse(const request& request,
                                               const deflate_options& options) {
    websocket_handshake result;
    // A client of 1.0 can't upgrade: the field is to be ignored (RFC 9110 section 7.8).
    if (request.major == 1 && request.minor == 0) return result;
    if (!has_element(request, "upgrade", "websocket")) return result;
    if (request.method != "GET" || !has_element(request, "connection", "upgrade")) {
        return refused(400);
    }
    const auto asked = only(request, "sec-websocket-version");
    if (!asked) return refused(400);
    if (*asked != version) return refused(426);
    const auto key = only(request, "sec-websocket-key");
    if (!key || !is_base64_of(*key, key_size)) return refused(400);
    const bool good = each_element(request, "sec-websocket-protocol", [&](std::string_view each) {
        // Not twice the same (RFC 6455 section 4.1).
        if (!is_token(each) || result.offers(each)) return false;
        result.subprotocols_.emplace_back(each);
        return true;
    });
    if (!good) return refused(400);
    for (const field& each : request.headers) {
        if (!equal_ignoring_case(each.name, "sec-websocket-extensions")) continue;
        offer_reader offers(each.value);
        while (offers.next()) {
            if (result.deflate_.enabled || !options.enabled) continue;
            if (const auto chosen = offers.current().accept(options)) {
                result.deflate_ = *chosen;
                result.says_server_bits_ =
                    offers.current().server_bits != 0 || chosen->server_bits < 15;
                result.says_client_bits_ =
                    offers.current().client_bits != 0 && chosen->client_bits < 15;
            }
        }
        if (offers.malformed()) return refused(400);
    }
    result.accept_ = accept_of(*key);
    result.what_ = kind::valid;
    return result;
}

void websocket_handshake::refuse(response& answer) const {
    answer.status(status_);
    if (status_ != 426) return;
    // It must name what to upgrade to (RFC 9110 section 15.5.22).
    answer.header("Upgrade", "websocket");
    answer.header("Sec-WebSocket-Version", version);
}

bool websocket_handshake::offers(std::string_view subprotocol) const {
    return std::ranges::contains(subprotocols_, subprotocol);
}

std::string websocket_handshake::fields(std::string_view subprotocol) const {
    std::string text = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
    text += accept_;
    text += "\r\n";
    if (!subprotocol.empty()) {
        if (!is_token(subprotocol)) throw std::invalid_argument("a subprotocol is no token");
        text += "Sec-WebSocket-Protocol: ";
        text += subprotocol;
        text += "\r\n";
    }
    if (deflate_.enabled) {
        text += "Sec-WebSocket-Extensions: permessage-deflate";
        if (!deflate_.server_takeover) text += "; server_no_context_takeover";
        if (!deflate_.client_takeover) text += "; client_no_context_takeover";
        const auto bits = [&](std::string_view name, int value) {
            text += "; ";
            text += name;
            text += "_max_window_bits=";
            text += std::to_string(value);
        };
        if (says_server_bits_) bits("server", deflate_.server_bits);
        if (says_client_bits_) bits("client", deflate_.client_bits);
        text += "\r\n";
    }
    return text;
}

}  // namespace allcores::http
