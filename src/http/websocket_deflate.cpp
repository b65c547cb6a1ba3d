#include "http/websocket_deflate.h"

#include <algorithm>
#include <new>

namespace allcores::http {
namespace {

// What a flush ends with, and what is left away at the end of a message (RFC 7692 section 7.2.1).
constexpr std::string_view flush_end{"\0\0\xff\xff", 4};
constexpr std::size_t max_window = std::size_t{1} << 15;
constexpr std::size_t least_room = 1024;
constexpr std::uint64_t most_room = std::uint64_t{1} << 30;  // for one call of zlib
// Streams end within a message only if its sender can't flush; each end costs a copy of the window.
constexpr std::uint8_t max_ends = 8;

// zlib does not write to its input.
Bytef* input(std::string_view bytes) {
    return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

uInt clip(std::uint64_t size) {
    return static_cast<uInt>(std::min(size, most_room));
}

// Room at the end of `out`: what it has, at least so much; at most `most`.
void make_room(z_stream& stream, byte_buffer& out, std::uint64_t most) {
    stream.next_out = reinterpret_cast<Bytef*>(
        out.room(static_cast<std::size_t>(std::min<std::uint64_t>(least_room, most))));
    stream.avail_out = clip(std::min<std::uint64_t>(out.capacity() - out.size(), most));
}

}  // namespace

deflater::deflater(int bits, int level) {
    const int memory = std::clamp(bits - 7, 1, 8);  // zlib's own proportion of table to window
    if (deflateInit2(&stream_, level, Z_DEFLATED, -bits, memory, Z_DEFAULT_STRATEGY) != Z_OK) {
        throw std::bad_alloc();
    }
}

void deflater::run(int flush, byte_buffer& out) {
    do {
        make_room(stream_, out, most_room);
        const uInt room = stream_.avail_out;
        deflate(&stream_, flush);
        out.commit(room - stream_.avail_out);
    } while (stream_.avail_out == 0);
}

void deflater::message(std::string_view message, byte_buffer& out) {
    while (!message.empty()) {
        const uInt size = clip(message.size());
        stream_.next_in = input(message);
        stream_.avail_in = size;
        message.remove_prefix(size);
        run(message.empty() ? Z_SYNC_FLUSH : Z_NO_FLUSH, out);
    }
    out.resize_down(out.size() - flush_end.size());
}

std::string deflater::window() {
    std::string window(max_window, '\0');
    uInt size = 0;
    deflateGetDictionary(&stream_, reinterpret_cast<Bytef*>(window.data()), &size);
    window.resize(size);
    window.shrink_to_fit();
    return window;
}

void deflater::go_on(std::string_view window) {
    if (!window.empty()) deflateSetDictionary(&stream_, input(window), clip(window.size()));
}

inflater::inflater(int bits) {
    if (inflateInit2(&stream_, -bits) != Z_OK) throw std::bad_alloc();
}

void inflater::reset() {
    inflateReset(&stream_);
    ended_ = false;
    ends_ = 0;
}

std::string inflater::window() {
    std::string window(max_window, '\0');
    uInt size = 0;
    inflateGetDictionary(&stream_, reinterpret_cast<Bytef*>(window.data()), &size);
    window.resize(size);
    window.shrink_to_fit();
    return window;
}

void inflater::go_on(std::string_view window) {
    if (!window.empty()) inflateSetDictionary(&stream_, input(window), clip(window.size()));
}

// What follows the end of a stream may refer to what was before it.
void inflater::next_stream() {
    const std::string before = window();
    inflateReset(&stream_);
    go_on(before);
    ended_ = false;
    ++ends_;
}

inflater::outcome inflater::piece(std::string_view bytes, byte_buffer& out, std::uint64_t limit) {
    stream_.next_in = input(bytes);
    stream_.avail_in = clip(bytes.size());
    for (;;) {
        if (ended_) {
            if (stream_.avail_in == 0) return outcome::good;
            if (ends_ == max_ends) return outcome::malformed;
            next_stream();
        }
        // One byte more than is allowed, to see whether it is used.
        const std::uint64_t left = std::min<std::uint64_t>(limit - out.size(), most_room);
        make_room(stream_, out, left + 1);
        const uInt room = stream_.avail_out;
        const int result = inflate(&stream_, Z_SYNC_FLUSH);
        out.commit(room - stream_.avail_out);
        if (out.size() > limit) return outcome::too_big;
        switch (result) {
            case Z_STREAM_END:
                ended_ = true;
                break;
            case Z_OK:
            case Z_BUF_ERROR:  // nothing left to do
                if (stream_.avail_in == 0 && stream_.avail_out != 0) return outcome::good;
                break;
            case Z_MEM_ERROR:
                throw std::bad_alloc();
            default:
                return outcome::malformed;
        }
    }
}

inflater::outcome inflater::finish(byte_buffer& out, std::uint64_t limit) {
    // A sender that ends its stream may leave away what should follow.
    if (!ended_) {
        if (outcome end = piece(flush_end, out, limit); end != outcome::good) return end;
        constexpr int after_block = 128, bits_left = 7;
        if (!ended_ && (stream_.data_type & (after_block | bits_left)) != after_block) {
            return outcome::malformed;
        }
    }
    ends_ = 0;
    return outcome::good;
}

}  // namespace allcores::http
