// Frames of the WebSocket protocol (RFC 6455 section 5) by wslay's frame layer: bytes into pieces
// of frames, and frames into bytes. It checks what one frame can break by itself; websocket.h has
// the rules between frames.
//
// A reader is 4.4 KiB, wslay's buffer mostly. So only a connection that is within a frame has one;
// the others borrow their worker's (websocket_kit). One thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "http/byte_buffer.h"

struct wslay_frame_context;
struct wslay_frame_iocb;

namespace allcores::http {

enum class opcode : std::uint8_t {
    continuation = 0,
    text = 1,
    binary = 2,
    close = 8,
    ping = 9,
    pong = 10,
};

constexpr bool is_control(opcode code) {
    return static_cast<std::uint8_t>(code) & 8;
}

inline constexpr std::size_t max_control = 125;    // bytes of a control frame's payload
inline constexpr std::size_t max_frame_head = 10;  // bytes before the payload, when not masked

struct free_frame_context {
    void operator()(wslay_frame_context* context) const;
};
using frame_context = std::unique_ptr<wslay_frame_context, free_frame_context>;

// A part of a frame, as much of it as has come.
struct frame_piece {
    opcode code;             // perhaps none of those above
    std::uint8_t reserved;   // RSV1 is 4
    bool final;              // the message's last frame
    bool masked;             //
    bool first, last;        // within its frame
    std::uint64_t size;      // of the whole payload
    std::string_view bytes;  // unmasked, valid until the next call
};

class frame_reader {
 public:
    enum class outcome : std::uint8_t {
        piece,
        more,       // all of the input has been taken
        malformed,  // the reader is of no more use
    };

    frame_reader();
    frame_reader(const frame_reader&) = delete;  // wslay knows where it is

    // Takes from `bytes` what it reads, of which it may keep 4 KiB unread.
    outcome next(std::string_view& bytes, frame_piece& piece);

    // Nothing has come of the frame after the last whole one, so this one can read for another
    // connection.
    bool between_frames() const { return taken_ == 0; }

    // After `more`: whether the head of a frame has come and nothing of its payload, so that next()
    // has not told of it. The piece has no bytes, and is not its last.
    bool saw_head(frame_piece& piece) const;

    // Joins the pieces of a control frame's payload; the whole once it is there.
    std::string_view join(const frame_piece& piece);

 private:
    friend struct frame_reader_callbacks;
    void keep_tail(std::string_view bytes);

    frame_context context_;
    std::string_view* input_ = nullptr;  // for the time of one next()
    // What wslay took from the input and is not part of a whole frame yet. A partial head and what
    // is buffered behind it count, which wslay does not say otherwise.
    std::uint64_t taken_ = 0;
    std::uint64_t payload_seen_ = 0;
    std::uint8_t joined_ = 0;
    std::array<char, max_control> control_;
    // The last bytes that wslay took: among them the head that it has read and does not tell of.
    static constexpr std::size_t max_client_head = max_frame_head + 4;
    std::array<unsigned char, max_client_head> tail_{};
};

class frame_writer {
 public:
    frame_writer();

    frame_writer(const frame_writer&) = delete;

    // Appends a whole frame.
    void write(byte_buffer& out, opcode code, bool compressed, std::string_view payload);

    // Appends the head of a frame, after which a payload of that size must be sent.
    void write_head(byte_buffer& out, opcode code, std::size_t size);

 private:
    friend struct frame_writer_callbacks;
    void write(byte_buffer& out, wslay_frame_iocb& frame, std::size_t size);

    frame_context context_;
    byte_buffer* out_ = nullptr;  // for the time of one write()
    std::size_t left_ = 0;        // bytes that are still to be appended
};

}  // namespace allcores::http
