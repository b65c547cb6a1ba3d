#include "http/websocket_offers.h"

#include <algorithm>

#include "http/syntax.h"

namespace allcores::http {
namespace {

// 8 to 15 in decimal, without a leading zero; 0 for anything else.
std::uint8_t window_bits(std::string_view text) {
    if (text == "8" || text == "9") return static_cast<std::uint8_t>(text[0] - '0');
    if (text.size() == 2 && text[0] == '1' && text[1] >= '0' && text[1] <= '5') {
        return static_cast<std::uint8_t>(10 + text[1] - '0');
    }
    return 0;
}

}  // namespace

std::optional<deflate_agreement> deflate_offer::accept(const deflate_options& options) const {
    if (!is_deflate || !valid || server_bits == 8) return {};
    const auto within = [](std::uint8_t ours, std::uint8_t theirs) {
        return theirs != 0 ? std::min(ours, theirs) : ours;
    };
    return deflate_agreement{
        .enabled = true,
        .server_takeover = options.server_takeover && !server_no_takeover,
        .client_takeover = options.client_takeover && !client_no_takeover,
        .server_bits = within(options.server_bits, server_bits),
        // A client that does not say so can't keep to a smaller one.
        .client_bits =
            client_bits != 0 ? within(options.client_bits, client_bits) : std::uint8_t{15},
    };
}

void offer_reader::skip_blanks() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t')) rest_.remove_prefix(1);
}

bool offer_reader::literal(char expected) {
    skip_blanks();
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(1);
    return true;
}

bool offer_reader::token(std::string_view& out) {
    skip_blanks();
    const auto* end = std::ranges::find_if_not(rest_, is_token_char);
    out = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(out.size());
    return !out.empty();
}

bool offer_reader::next() {
    while (literal(',')) {
    }
    if (rest_.empty()) return false;
    std::string_view name;
    if (!token(name)) return fail();
    offer_ = {};
    offer_.is_deflate = equal_ignoring_case(name, "permessage-deflate");
    while (literal(';')) {
        if (!parameter()) return fail();
    }
    skip_blanks();
    return rest_.empty() || rest_[0] == ',' ? true : fail();
}

// A value in quotes must be a token once they are gone, so there is nothing to unescape in it.
bool offer_reader::parameter() {
    std::string_view name, value;
    if (!token(name)) return false;
    if (!literal('=')) {
        apply(name, {});
        return true;
    }
    const bool quoted = literal('"');
    if (!token(value)) return false;
    if (quoted && !rest_.starts_with('"')) return false;
    if (quoted) rest_.remove_prefix(1);
    apply(name, value);
    return true;
}

void offer_reader::apply(std::string_view name, std::optional<std::string_view> value) {
    const auto flag = [&](bool& seen) {
        if (seen || value) offer_.valid = false;
        seen = true;
    };
    const auto bits = [&](std::uint8_t& seen, std::uint8_t without_value) {
        const std::uint8_t said = value ? window_bits(*value) : without_value;
        if (seen != 0 || said == 0) offer_.valid = false;
        seen = said;
    };
    if (equal_ignoring_case(name, "server_no_context_takeover")) {
        flag(offer_.server_no_takeover);
    } else if (equal_ignoring_case(name, "client_no_context_takeover")) {
        flag(offer_.client_no_takeover);
    } else if (equal_ignoring_case(name, "server_max_window_bits")) {
        bits(offer_.server_bits, 0);
    } else if (equal_ignoring_case(name, "client_max_window_bits")) {
        bits(offer_.client_bits, 15);
    } else {
        offer_.valid = false;
    }
}

}  // namespace allcores::http
