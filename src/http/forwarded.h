// Who a request is from when proxies stand between: of a peer that is trusted, what it says in
// X-Forwarded-For and X-Forwarded-Proto counts; of others it does not. Constant once made; any
// thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/request.h"

namespace allcores::http {

class trusted_proxies {
 public:
    // Trusts nobody.
    trusted_proxies() = default;
    // Addresses and networks ("10.0.0.0/8", "fd00::/8"), with commas or white space between; "*"
    // is everybody. Throws std::invalid_argument that names what is none.
    explicit trusted_proxies(std::string_view list);

    bool empty() const { return !everybody_ && networks_.empty(); }
    // A numeric host; an empty one is the peer of a unix socket, who was let in by its file.
    bool trusts(std::string_view host) const;

    // Of a request whose peer is trusted: puts the client's address into `client` and gives the
    // scheme, each as the peer has it where nothing usable is said. The client is the last address
    // of X-Forwarded-For that is not itself a trusted proxy's, else the first one; its port is 0.
    std::string_view read(const request& request, peer& client) const;

 private:
    struct network {
        std::uint8_t bytes[16];  // IPv4 as ::ffff:a.b.c.d
        unsigned bits;
    };
    static bool parse(std::string_view text, std::uint8_t (&bytes)[16]);

    bool everybody_ = false;
    std::vector<network> networks_;
};

}  // namespace allcores::http
