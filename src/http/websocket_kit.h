// What a worker lends to its WebSockets, so that one on which nothing happens owns nothing: the
// reader of a frame, the buffer of a message, zlib's streams. One for each worker, its thread's
// only.
//
// It grows to what its connections need at a time: 9 KiB at first; 262 KiB more once it has
// compressed, 39 KiB once it has inflated, and two buffers of 256 KiB at most.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include "http/byte_buffer.h"
#include "http/utf8.h"
#include "http/websocket_deflate.h"
#include "http/websocket_frames.h"

namespace allcores::http {

// What a server allows and wants. Read-only while WebSockets use it.
struct websocket_options {
    // Bytes of a message, as it is after inflating; over it: closed with 1009 as soon as that is
    // known.
    std::uint64_t max_message = 16ull << 20;
    std::uint32_t max_fragments = 128 * 1024;  // of a message; over it: closed with 1008
    deflate_options deflate;
};

// A message of which a part has come.
struct partial_message {
    byte_buffer bytes;  // inflated
    utf8_check utf8;
    std::unique_ptr<inflater> inflating;  // of a compressed one
    std::uint32_t fragments = 0;
    bool is_text = false;
};

// Keeps one, which is lent; makes more where that is away.
template <class T>
class spare {
 public:
    template <class... Arguments>
    std::unique_ptr<T> take(Arguments... arguments) {
        if (!kept_) kept_ = std::make_unique<T>(arguments...);
        return std::move(kept_);
    }
    void give(std::unique_ptr<T> one) {
        if (!kept_) kept_ = std::move(one);
    }

 private:
    std::unique_ptr<T> kept_;
};

class websocket_kit {
 public:
    // `options` must outlive it.
    explicit websocket_kit(const websocket_options& options) : options_(options) {}
    websocket_kit(const websocket_kit&) = delete;

 private:
    friend class websocket;

    // What a buffer may keep when it is given back.
    static constexpr std::size_t kept_capacity = 256 * 1024;
    static constexpr int inflater_bits = 15;  // whatever the client uses

    static void empty(byte_buffer& buffer) {
        buffer.clear();
        if (buffer.capacity() > kept_capacity) buffer = byte_buffer();
    }

    // Ready for a message that refers to none before it.
    deflater& deflater_of(const deflate_agreement& agreed) {
        auto& one = deflaters_[agreed.server_bits & 15];
        if (one) {
            one->reset();
        } else {
            one = std::make_unique<deflater>(agreed.server_bits, options_.deflate.level);
        }
        return *one;
    }

    const websocket_options& options_;
    spare<frame_reader> readers_;
    spare<partial_message> messages_;
    spare<inflater> inflaters_;
    std::array<std::unique_ptr<deflater>, 16> deflaters_;  // by the window's bits
    byte_buffer compressed_;                               // for the time of one message
    frame_writer writer_;
};

}  // namespace allcores::http
