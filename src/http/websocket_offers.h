// Sec-WebSocket-Extensions of a request (RFC 6455 section 9.1): the offers of permessage-deflate in
// it (RFC 7692 section 7.1). Any thread, one at a time; views into the field's value.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "http/websocket_deflate.h"

namespace allcores::http {

struct deflate_offer {
    bool is_deflate = false;  // else another extension, of which there are none here
    bool valid = true;        // no parameter is unknown, twice there or of a wrong value
    bool server_no_takeover = false, client_no_takeover = false;
    std::uint8_t server_bits = 0;  // 0: not said
    std::uint8_t client_bits = 0;  // 0: not said, so the server may not say it either

    // What the server makes of it; nothing if it has to decline. That includes a window of 8 bits
    // for the server, which zlib does not have.
    std::optional<deflate_agreement> accept(const deflate_options& options) const;
};

class offer_reader {
 public:
    explicit offer_reader(std::string_view value) : rest_(value) {}

    // False at the end, and when the value is malformed.
    bool next();
    const deflate_offer& current() const { return offer_; }
    bool malformed() const { return malformed_; }

 private:
    bool fail() {
        malformed_ = true;
        return false;
    }
    void skip_blanks();
    bool literal(char expected);
    bool token(std::string_view& out);
    bool parameter();
    void apply(std::string_view name, std::optional<std::string_view> value);

    std::string_view rest_;
    deflate_offer offer_;
    bool malformed_ = false;
};

}  // namespace allcores::http
