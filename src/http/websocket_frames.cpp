#include "http/websocket_frames.h"

#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace allcores::http {
namespace {

frame_context make_context(const wslay_frame_callbacks& callbacks, void* user) {
    wslay_frame_context* context = nullptr;
    if (wslay_frame_context_init(&context, &callbacks, user) != 0) throw std::bad_alloc();
    return frame_context(context);
}

// From a client, with its key. wslay takes lengths in their shortest form only, so the size of the
// payload says that of the head.
std::uint64_t head_size(std::uint64_t payload, bool masked) {
    const std::uint64_t length = payload < 126 ? 0 : payload < 65536 ? 2 : 8;
    return 2 + length + (masked ? 4 : 0);
}

}  // namespace

void free_frame_context::operator()(wslay_frame_context* context) const {
    wslay_frame_context_free(context);
}

struct frame_reader_callbacks {
    static ssize_t read(std::uint8_t* to, std::size_t room, int, void* user) {
        auto& self = *static_cast<frame_reader*>(user);
        const std::size_t size = std::min(room, self.input_->size());
        if (size == 0) return -1;  // asks for more later
        std::memcpy(to, self.input_->data(), size);
        self.keep_tail(self.input_->substr(0, size));
        self.input_->remove_prefix(size);
        self.taken_ += size;
        return static_cast<ssize_t>(size);
    }
};

frame_reader::frame_reader()
    : context_(make_context({nullptr, frame_reader_callbacks::read, nullptr}, this)) {}

frame_reader::outcome frame_reader::next(std::string_view& bytes, frame_piece& piece) {
    input_ = &bytes;
    wslay_frame_iocb got{};
    const ssize_t size = wslay_frame_recv(context_.get(), &got);
    if (size == WSLAY_ERR_WANT_READ) return outcome::more;
    if (size < 0) return outcome::malformed;
    piece = {
        .code = static_cast<opcode>(got.opcode),
        .reserved = got.rsv,
        .final = got.fin != 0,
        .masked = got.mask != 0,
        .first = payload_seen_ == 0,
        .last = false,
        .size = got.payload_length,
        .bytes = {reinterpret_cast<const char*>(got.data), got.data_length},
    };
    payload_seen_ += got.data_length;
    piece.last = payload_seen_ == got.payload_length;
    if (piece.last) {
        taken_ -= head_size(got.payload_length, piece.masked) + got.payload_length;
        payload_seen_ = 0;
    }
    return outcome::piece;
}

void frame_reader::keep_tail(std::string_view bytes) {
    const std::size_t size = std::min(bytes.size(), tail_.size());
    std::memmove(tail_.data(), tail_.data() + size, tail_.size() - size);
    std::memcpy(tail_.data() + tail_.size() - size, bytes.data() + bytes.size() - size, size);
}

bool frame_reader::saw_head(frame_piece& piece) const {
    if (payload_seen_ != 0 || taken_ < 2 || taken_ > tail_.size()) return false;
    const unsigned char* head = tail_.data() + tail_.size() - taken_;
    const bool masked = (head[1] & 0x80) != 0;
    std::uint64_t size = head[1] & 0x7f;
    const std::size_t length_bytes = size < 126 ? 0 : size == 126 ? 2 : 8;
    if (taken_ != 2 + length_bytes + (masked ? 4 : 0)) return false;
    if (length_bytes != 0) size = 0;
    for (std::size_t i = 0; i < length_bytes; ++i) size = size << 8 | head[2 + i];
    piece = {
        .code = static_cast<opcode>(head[0] & 0xf),
        .reserved = static_cast<std::uint8_t>(head[0] >> 4 & 7),
        .final = (head[0] & 0x80) != 0,
        .masked = masked,
        .first = true,
        .last = false,
        .size = size,
        .bytes = {},
    };
    return true;
}

std::string_view frame_reader::join(const frame_piece& piece) {
    if (piece.first && piece.last) return piece.bytes;
    if (piece.first) joined_ = 0;
    std::memcpy(control_.data() + joined_, piece.bytes.data(), piece.bytes.size());
    joined_ = static_cast<std::uint8_t>(joined_ + piece.bytes.size());
    return {control_.data(), joined_};
}

struct frame_writer_callbacks {
    // There is room: an exception must not cross wslay.
    static ssize_t append(const std::uint8_t* data, std::size_t size, int, void* user) {
        auto& self = *static_cast<frame_writer*>(user);
        const std::size_t wanted = std::min(size, self.left_);
        self.out_->append({reinterpret_cast<const char*>(data), wanted});
        self.left_ -= wanted;
        return static_cast<ssize_t>(size);
    }
};

frame_writer::frame_writer()
    : context_(make_context({frame_writer_callbacks::append, nullptr, nullptr}, this)) {}

// Appends `size` bytes of what wslay makes of the frame.
void frame_writer::write(byte_buffer& out, wslay_frame_iocb& frame, std::size_t size) {
    left_ = size;
    out.room(size);
    out_ = &out;
    wslay_frame_send(context_.get(), &frame);
    out_ = nullptr;
}

void frame_writer::write(byte_buffer& out, opcode code, bool compressed, std::string_view payload) {
    wslay_frame_iocb frame{
        .fin = 1,
        .rsv = static_cast<std::uint8_t>(compressed ? WSLAY_RSV1_BIT : WSLAY_RSV_NONE),
        .opcode = static_cast<std::uint8_t>(code),
        .payload_length = payload.size(),
        .mask = 0,
        .data = reinterpret_cast<const std::uint8_t*>(payload.data()),
        .data_length = payload.size(),
    };
    write(out, frame, head_size(payload.size(), false) + payload.size());
}

void frame_writer::write_head(byte_buffer& out, opcode code, std::size_t size) {
    // wslay wants to have sent the payload too, and is told that it has.
    wslay_frame_iocb frame{
        .fin = 1,
        .rsv = WSLAY_RSV_NONE,
        .opcode = static_cast<std::uint8_t>(code),
        .payload_length = size,
        .mask = 0,
        .data = nullptr,
        .data_length = size,
    };
    write(out, frame, head_size(size, false));
}

}  // namespace allcores::http
