// The handshake of the WebSocket protocol (RFC 6455 section 4, RFC 7692 section 7): what a request
// asks for, and the fields of the answer. Holds no view of the request, so it can wait until the
// application has decided. Any thread, one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "http/request.h"
#include "http/response.h"
#include "http/websocket_deflate.h"

namespace allcores::http {

class websocket_handshake {
 public:
    enum class kind : std::uint8_t {
        none,     // does not ask for a WebSocket: a request like any other
        valid,    // answer 101 with fields(), or decline with any other status
        refused,  // answer with refuse()
    };

    static websocket_handshake parse(const request& request, const deflate_options& options);

    kind what() const { return what_; }

    // The answer when refused: 400, or 426 for a version of the protocol other than 13.
    void refuse(response& answer) const;

    // In the client's order of preference.
    const std::vector<std::string>& subprotocols() const { return subprotocols_; }
    bool offers(std::string_view subprotocol) const;

    // What 101 will say about compression, from the first offer that is acceptable.
    const deflate_agreement& deflate() const { return deflate_; }
    void decline_deflate() { deflate_ = {}; }

    // Of the answer 101: Upgrade, Connection, Sec-WebSocket-Accept, and where there is one the
    // subprotocol (which should be one that the client offers) and the extension; each with its
    // "\r\n". std::invalid_argument for a subprotocol that is no token.
    std::string fields(std::string_view subprotocol = {}) const;

 private:
    static websocket_handshake refused(int status);

    kind what_ = kind::none;
    int status_ = 0;
    bool says_server_bits_ = false, says_client_bits_ = false;
    deflate_agreement deflate_;
    std::string accept_;
    std::vector<std::string> subprotocols_;
};

}  // namespace allcores::http
