// One WebSocket, the server's end (RFC 6455, RFC 7692): bytes into messages and messages into
// bytes, without a socket. The owner of the connection makes one when it has answered 101
// (websocket_handshake), feeds it what the client sends, and sends what it appends to `out`.
// Answers pings and the closing handshake by itself. One thread at a time; which one may change
// from call to call, each with a kit of its own.
//
// What an open one needs, on 64 bits: 32 bytes while nothing comes; within a frame 4.4 KiB more;
// within a message its bytes, at least 4 KiB, and 39 KiB if that is compressed. Only an agreement
// on context takeover changes that: streams stay with the connection, 262 KiB to compress and 39
// KiB to inflate with windows of 15 bits (38 and 11 KiB with 12), or after rest() only what is in
// their windows, 32 KiB (4 KiB) each at most.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "http/byte_buffer.h"
#include "http/websocket_deflate.h"
#include "http/websocket_frames.h"
#include "http/websocket_kit.h"

namespace allcores::http {

namespace close_code {
inline constexpr std::uint16_t normal = 1000, going_away = 1001, protocol_error = 1002,
                               none = 1005,  // never sent: a Close frame without a code
    lost = 1006,                             // never sent: the connection ended without Close
    invalid_data = 1007, policy = 1008, too_big = 1009, internal_error = 1011;
// One that a Close frame may have.
constexpr bool may_be_sent(std::uint16_t code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}
}  // namespace close_code

class websocket {
 public:
    enum class phase : std::uint8_t {
        open,
        closing,  // we have said Close: messages that come are dropped, nothing more is sent
        closed,   // send what was appended, then end the connection
    };

    // Who gets what comes. May send on this WebSocket or close it, but not feed or destroy it.
    // Views are valid during the call.
    class sink {
     public:
        virtual ~sink() = default;
        // A whole message; text is UTF-8. False: no more for now, feed() returns.
        virtual bool on_text(std::string_view text) = 0;
        virtual bool on_binary(std::string_view bytes) = 0;
        virtual void on_pong(std::string_view payload) { (void)payload; }
        // Once, and nothing after it: now it is closed. By the client with its code, or
        // close_code::none, or because of what it did wrong, with the code that it is told (unless
        // we were closing already).
        virtual void on_close(std::uint16_t code, std::string_view reason, bool by_client) = 0;
    };

    struct fed {
        std::size_t taken;  // of the bytes
        bool stopped;       // by the sink: feed the rest, if only an empty one, to go on
    };

    explicit websocket(const deflate_agreement& deflate = {}) : deflate_(deflate) {}
    websocket(const websocket&) = delete;
    ~websocket() = default;

    phase at() const { return phase_; }

    // Reads bytes that follow those taken before. Everything is taken unless the sink stops it; up
    // to 4 KiB of what is taken may then still be unread in here. If this throws std::bad_alloc,
    // the connection is to be ended.
    fed feed(websocket_kit& kit, std::string_view bytes, sink& sink, byte_buffer& out);

    // False, with nothing appended, when it is not open any more. Text must be UTF-8, which is not
    // looked at.
    bool send_text(websocket_kit& kit, std::string_view text, byte_buffer& out) {
        return send(kit, opcode::text, text, out);
    }
    bool send_binary(websocket_kit& kit, std::string_view bytes, byte_buffer& out) {
        return send(kit, opcode::binary, bytes, out);
    }

    // For a large message that is not to be copied: appends only what stands before it. The owner
    // sends so many bytes from where they are, before anything else. Not compressed.
    bool begin_text(websocket_kit& kit, std::size_t size, byte_buffer& out) {
        return begin(kit, opcode::text, size, out);
    }
    bool begin_binary(websocket_kit& kit, std::size_t size, byte_buffer& out) {
        return begin(kit, opcode::binary, size, out);
    }
    // Whether a message of that size would be compressed, so that begin_... is no gain.
    bool compresses(const websocket_kit& kit, std::size_t size) const {
        return deflate_.enabled && size != 0 && size >= kit.options_.deflate.least;
    }

    // Also false when there are more than 125 bytes.
    bool ping(websocket_kit& kit, std::string_view payload, byte_buffer& out);

    // Begins the closing handshake; how long the client may take is the owner's to say. Also false
    // for a code that may not be sent (but close_code::none is a Close without any), for a reason
    // without a code, of more than 123 bytes, or not UTF-8.
    bool close(websocket_kit& kit, std::uint16_t code, std::string_view reason, byte_buffer& out);

    // Gives back what can be made again: worth it when nothing has been sent or received for some
    // time. Does something only with context takeover.
    void rest();

 private:
    // With context takeover, for each direction: a stream, or while it rests its window.
    struct takeover {
        std::unique_ptr<deflater> deflating;
        std::unique_ptr<inflater> inflating;
        std::string sent, received;
    };
    struct feeding;  // the arguments of one feed()

    bool send(websocket_kit& kit, opcode code, std::string_view payload, byte_buffer& out);
    bool begin(websocket_kit& kit, opcode code, std::size_t size, byte_buffer& out);
    std::string_view compress(websocket_kit& kit, std::string_view payload);
    takeover& own();

    // These return whether to read on.
    bool take(feeding& now, const frame_piece& piece);
    bool take_control(feeding& now, opcode code, std::string_view payload);
    bool take_close(feeding& now, std::string_view payload);
    bool take_data(feeding& now, const frame_piece& piece);
    bool check_head(feeding& now, const frame_piece& piece);
    bool add(feeding& now, std::string_view bytes);
    bool end_message(feeding& now);
    bool deliver(feeding& now, bool is_text, std::string_view bytes);
    bool fail(feeding& now, std::uint16_t code, std::string_view reason);

    std::unique_ptr<inflater> take_inflater(websocket_kit& kit);
    void give_inflater(websocket_kit& kit, std::unique_ptr<inflater> one);
    void end();

    std::unique_ptr<frame_reader> reader_;      // within a frame, or stopped
    std::unique_ptr<partial_message> message_;  // within a message
    std::unique_ptr<takeover> own_;
    const deflate_agreement deflate_;
    phase phase_ = phase::open;
};

}  // namespace allcores::http
