#include "http/forwarded.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>

#include "http/syntax.h"

namespace allcores::http {
namespace {

constexpr unsigned mapped_bits = 96;  // of an IPv4 address, in front of it
constexpr std::string_view between = ", \t\r\n";

std::invalid_argument refused(std::string_view text) {
    return std::invalid_argument("'" + std::string(text) +
                                 "' is no address and no network (10.0.0.0/8, fd00::/8)");
}

bool begins_with(const std::uint8_t* address, const std::uint8_t* network, unsigned bits) {
    if (std::memcmp(address, network, bits / 8) != 0) return false;
    const unsigned left = bits % 8;
    return left == 0 || ((address[bits / 8] ^ network[bits / 8]) >> (8 - left)) == 0;
}

// "1.2.3.4:5", "[::1]:5" and "[::1]" as well as the address alone.
std::string_view without_port(std::string_view text) {
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        return end == std::string_view::npos ? std::string_view() : text.substr(1, end - 1);
    }
    const std::size_t colon = text.find(':');
    if (colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
        return text.substr(0, colon);
    }
    return text;
}

}  // namespace

bool trusted_proxies::parse(std::string_view text, std::uint8_t (&bytes)[16]) {
    char copy[INET6_ADDRSTRLEN];
    if (text.empty() || text.size() >= sizeof copy) return false;
    std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    std::memset(bytes, 0, sizeof bytes);
    if (text.contains(':')) return ::inet_pton(AF_INET6, copy, bytes) == 1;
    bytes[10] = bytes[11] = 0xff;
    return ::inet_pton(AF_INET, copy, bytes + 12) == 1;
}

trusted_proxies::trusted_proxies(std::string_view list) {
    for (;;) {
        list.remove_prefix(std::min(list.find_first_not_of(between), list.size()));
        if (list.empty()) return;
        const std::string_view each = list.substr(0, list.find_first_of(between));
        list.remove_prefix(each.size());
        if (each == "*") {
            everybody_ = true;
            continue;
        }
        network made{};
        const std::size_t slash = each.find('/');
        if (!parse(each.substr(0, slash), made.bytes)) throw refused(each);
        const bool is_ipv4 = !each.contains(':');
        made.bits = 128;
        if (slash != std::string_view::npos) {
            const std::string_view digits = each.substr(slash + 1);
            const char* begin = digits.data();
            const char* end = begin + digits.size();
            const auto read = std::from_chars(begin, end, made.bits);
            if (digits.empty() || read.ptr != end || made.bits > (is_ipv4 ? 32U : 128U)) {
                throw refused(each);
            }
            if (is_ipv4) made.bits += mapped_bits;
        }
        networks_.push_back(made);
    }
}

bool trusted_proxies::trusts(std::string_view host) const {
    if (everybody_) return true;
    if (networks_.empty()) return false;
    if (host.empty()) return true;
    std::uint8_t bytes[16];
    return parse(host, bytes) && std::ranges::any_of(networks_, [&](const network& each) {
               return begins_with(bytes, each.bytes, each.bits);
           });
}

std::string_view trusted_proxies::read(const request& request, peer& client) const {
    std::string_view scheme = request.scheme;
    bool scheme_is_read = false;
    bool done = false;
    // From the last field to the first and in each from its end: the nearest proxy comes first.
    for (std::size_t i = request.headers.size(); i-- > 0;) {
        const field& each = request.headers[i];
        if (!scheme_is_read && equal_ignoring_case(each.name, "x-forwarded-proto")) {
            scheme_is_read = true;
            if (equal_ignoring_case(each.value, "https") ||
                equal_ignoring_case(each.value, "wss")) {
                scheme = "https";
            } else if (equal_ignoring_case(each.value, "http") ||
                       equal_ignoring_case(each.value, "ws")) {
                scheme = "http";
            }
        }
        if (done || !equal_ignoring_case(each.name, "x-forwarded-for")) continue;
        std::string_view left = each.value;
        while (!done) {
            const std::size_t comma = left.rfind(',');
            const bool is_last = comma == std::string_view::npos;
            const std::string_view host =
                without_port(trim(is_last ? left : left.substr(comma + 1)));
            std::uint8_t bytes[16];
            // What is none ("unknown") ends the chain: who is behind it nobody knows.
            if (!parse(host, bytes)) {
                done = true;
                break;
            }
            client = {std::string(host), 0};
            done = !trusts(host);
            if (is_last) break;
            left = left.substr(0, comma);
        }
    }
    return scheme;
}

}  // namespace allcores::http
