#include "http/websocket.h"

#include <algorithm>

namespace allcores::http {
namespace {

constexpr std::size_t max_reason = max_control - 2;
constexpr std::uint8_t compressed_bit = 4;  // RSV1

void append_close(frame_writer& writer, std::uint16_t code, std::string_view reason,
                  byte_buffer& out) {
    if (code == close_code::none) {
        writer.write(out, opcode::close, false, {});
        return;
    }
    std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
    payload += reason;
    writer.write(out, opcode::close, false, payload);
}

}  // namespace

struct websocket::feeding {
    websocket_kit& kit;
    websocket::sink& sink;
    byte_buffer& out;
    frame_reader& reader;
};

websocket::fed websocket::feed(websocket_kit& kit, std::string_view bytes, sink& sink,
                               byte_buffer& out) {
    const std::size_t size = bytes.size();
    if (phase_ == phase::closed) return {size, false};
    if (!reader_) reader_ = kit.readers_.take();
    std::unique_ptr<frame_reader> reader = std::move(reader_);
    feeding now{kit, sink, out, *reader};
    bool going = true;
    while (going) {
        frame_piece piece;
        const frame_reader::outcome outcome = reader->next(bytes, piece);
        if (outcome == frame_reader::outcome::more) {
            // What is wrong with a head is said at once, not when its payload begins to come.
            if (reader->saw_head(piece)) (void)check_head(now, piece);
            break;
        }
        going = outcome == frame_reader::outcome::malformed
                    ? fail(now, close_code::protocol_error, "malformed frame")
                    : take(now, piece);
    }
    if (phase_ == phase::closed) {
        // The reader may have bytes of no more use, or be in the middle of what is malformed.
        end();
        return {size, false};
    }
    if (reader->between_frames()) {
        kit.readers_.give(std::move(reader));
    } else {
        reader_ = std::move(reader);
    }
    return {size - bytes.size(), !going};
}

bool websocket::take(feeding& now, const frame_piece& piece) {
    if (piece.first && !check_head(now, piece)) return false;
    if (!is_control(piece.code)) return phase_ == phase::closing || take_data(now, piece);
    const std::string_view payload = now.reader.join(piece);
    return !piece.last || take_control(now, piece.code, payload);
}

// What the head of a frame can break, of any kind and within its message. Changes nothing when it
// is good.
bool websocket::check_head(feeding& now, const frame_piece& piece) {
    const auto wrong = [&](std::string_view why) {
        return fail(now, close_code::protocol_error, why);
    };
    if (!piece.masked) return wrong("frame without a mask");
    switch (piece.code) {
        case opcode::close:
        case opcode::ping:
        case opcode::pong:
            return piece.reserved == 0 || wrong("reserved bits in a control frame");
        case opcode::continuation:
        case opcode::text:
        case opcode::binary:
            break;
        default:
            return wrong("unknown opcode");
    }
    if (phase_ == phase::closing) return true;
    const bool continues = piece.code == opcode::continuation;
    const bool may_be_compressed = deflate_.enabled && !continues;
    if ((piece.reserved & ~compressed_bit) != 0 || (piece.reserved != 0 && !may_be_compressed)) {
        return wrong("reserved bits");
    }
    if (continues != (message_ != nullptr)) {
        return wrong(continues ? "continuation of nothing" : "message within a message");
    }
    const bool compressed = continues ? message_->inflating != nullptr : piece.reserved != 0;
    const std::uint64_t most = now.kit.options_.max_message;
    const std::uint64_t before = continues ? message_->bytes.size() : 0;
    // Compressed bytes are counted while they are inflated. But nothing that was compressed gets
    // twice as long, and a frame could go on for ever without giving a byte.
    const bool too_big =
        compressed ? piece.size > 128 && piece.size / 2 - 64 > most : piece.size > most - before;
    if (too_big) return fail(now, close_code::too_big, "message too big");
    if (continues && message_->fragments >= now.kit.options_.max_fragments) {
        return fail(now, close_code::policy, "too many fragments");
    }
    return true;
}

bool websocket::take_data(feeding& now, const frame_piece& piece) {
    const bool is_text = piece.code == opcode::text;
    if (piece.first && piece.code != opcode::continuation) {
        const bool compressed = piece.reserved != 0;
        if (piece.last && piece.final && !compressed) {  // whole: no need to copy it
            if (is_text && !is_utf8(piece.bytes)) {
                return fail(now, close_code::invalid_data, "text is not UTF-8");
            }
            return deliver(now, is_text, piece.bytes);
        }
        message_ = now.kit.messages_.take();
        message_->is_text = is_text;
        message_->fragments = 1;
        if (compressed) message_->inflating = take_inflater(now.kit);
    } else if (piece.first) {
        ++message_->fragments;
    }
    if (!add(now, piece.bytes)) return false;
    return !piece.last || !piece.final || end_message(now);
}

bool websocket::add(feeding& now, std::string_view bytes) {
    partial_message& message = *message_;
    const std::size_t before = message.bytes.size();
    if (message.inflating) {
        const auto outcome =
            message.inflating->piece(bytes, message.bytes, now.kit.options_.max_message);
        if (outcome == inflater::outcome::too_big) {
            return fail(now, close_code::too_big, "message too big");
        }
        if (outcome == inflater::outcome::malformed) {
            return fail(now, close_code::invalid_data, "malformed compressed data");
        }
    } else {
        message.bytes.append(bytes);
    }
    if (message.is_text && !message.utf8.feed(message.bytes.view().substr(before))) {
        return fail(now, close_code::invalid_data, "text is not UTF-8");
    }
    return true;
}

bool websocket::end_message(feeding& now) {
    partial_message& last = *message_;
    if (last.inflating) {
        const std::size_t before = last.bytes.size();
        const auto outcome = last.inflating->finish(last.bytes, now.kit.options_.max_message);
        if (outcome == inflater::outcome::too_big) {
            return fail(now, close_code::too_big, "message too big");
        }
        if (outcome == inflater::outcome::malformed) {
            return fail(now, close_code::invalid_data, "malformed compressed data");
        }
        if (last.is_text && !last.utf8.feed(last.bytes.view().substr(before))) {
            return fail(now, close_code::invalid_data, "text is not UTF-8");
        }
        give_inflater(now.kit, std::move(last.inflating));
    }
    if (last.is_text && !last.utf8.complete()) {
        return fail(now, close_code::invalid_data, "text is not UTF-8");
    }
    std::unique_ptr<partial_message> message = std::move(message_);
    const bool going = deliver(now, message->is_text, message->bytes.view());
    websocket_kit::empty(message->bytes);  // all else is as at first
    now.kit.messages_.give(std::move(message));
    return going;
}

bool websocket::deliver(feeding& now, bool is_text, std::string_view bytes) {
    return is_text ? now.sink.on_text(bytes) : now.sink.on_binary(bytes);
}

bool websocket::take_control(feeding& now, opcode code, std::string_view payload) {
    if (code == opcode::close) return take_close(now, payload);
    if (code == opcode::pong) {
        now.sink.on_pong(payload);
    } else if (phase_ == phase::open) {
        now.kit.writer_.write(now.out, opcode::pong, false, payload);
    }
    return true;
}

bool websocket::take_close(feeding& now, std::string_view payload) {
    std::uint16_t code = close_code::none;
    std::string_view reason;
    if (!payload.empty()) {
        const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(payload[at]); };
        if (payload.size() > 1) code = static_cast<std::uint16_t>(byte(0) << 8 | byte(1));
        if (!close_code::may_be_sent(code)) {
            return fail(now, close_code::protocol_error, "invalid close code");
        }
        reason = payload.substr(2);
        if (!is_utf8(reason)) {
            return fail(now, close_code::invalid_data, "close reason is not UTF-8");
        }
    }
    if (phase_ == phase::open) append_close(now.kit.writer_, code, {}, now.out);
    phase_ = phase::closed;
    now.sink.on_close(code, reason, true);
    return false;
}

bool websocket::fail(feeding& now, std::uint16_t code, std::string_view reason) {
    if (phase_ == phase::open) append_close(now.kit.writer_, code, reason, now.out);
    phase_ = phase::closed;
    now.sink.on_close(code, reason, false);
    return false;
}

void websocket::end() {
    reader_.reset();
    message_.reset();
    own_.reset();
}

bool websocket::send(websocket_kit& kit, opcode code, std::string_view payload, byte_buffer& out) {
    if (phase_ != phase::open) return false;
    if (!compresses(kit, payload.size())) {
        kit.writer_.write(out, code, false, payload);
        return true;
    }
    const std::string_view compressed = compress(kit, payload);
    // A window that goes on has the message in it, so then it has to be sent as it is there.
    if (deflate_.server_takeover || compressed.size() < payload.size()) {
        kit.writer_.write(out, code, true, compressed);
    } else {
        kit.writer_.write(out, code, false, payload);
    }
    websocket_kit::empty(kit.compressed_);
    return true;
}

std::string_view websocket::compress(websocket_kit& kit, std::string_view payload) {
    kit.compressed_.clear();
    if (!deflate_.server_takeover) {
        kit.deflater_of(deflate_).message(payload, kit.compressed_);
        return kit.compressed_.view();
    }
    takeover& mine = own();
    if (!mine.deflating) {
        mine.deflating =
            std::make_unique<deflater>(deflate_.server_bits, kit.options_.deflate.level);
        mine.deflating->go_on(mine.sent);
        mine.sent = {};
    }
    mine.deflating->message(payload, kit.compressed_);
    return kit.compressed_.view();
}

websocket::takeover& websocket::own() {
    if (!own_) own_ = std::make_unique<takeover>();
    return *own_;
}

std::unique_ptr<inflater> websocket::take_inflater(websocket_kit& kit) {
    if (!deflate_.client_takeover) return kit.inflaters_.take(websocket_kit::inflater_bits);
    takeover& mine = own();
    if (!mine.inflating) {
        // Some clients take 9 bits where 8 are agreed on, as zlib does.
        const int bits = std::max<int>(deflate_.client_bits, 9);
        mine.inflating = std::make_unique<inflater>(bits);
        mine.inflating->go_on(mine.received);
        mine.received = {};
    }
    return std::move(mine.inflating);
}

void websocket::give_inflater(websocket_kit& kit, std::unique_ptr<inflater> one) {
    if (deflate_.client_takeover) {
        own().inflating = std::move(one);
    } else {
        one->reset();
        kit.inflaters_.give(std::move(one));
    }
}

bool websocket::begin(websocket_kit& kit, opcode code, std::size_t size, byte_buffer& out) {
    if (phase_ != phase::open) return false;
    kit.writer_.write_head(out, code, size);
    return true;
}

bool websocket::ping(websocket_kit& kit, std::string_view payload, byte_buffer& out) {
    if (phase_ != phase::open || payload.size() > max_control) return false;
    kit.writer_.write(out, opcode::ping, false, payload);
    return true;
}

bool websocket::close(websocket_kit& kit, std::uint16_t code, std::string_view reason,
                      byte_buffer& out) {
    if (phase_ != phase::open) return false;
    const bool good = code == close_code::none ? reason.empty() : close_code::may_be_sent(code);
    if (!good || reason.size() > max_reason || !is_utf8(reason)) return false;
    append_close(kit.writer_, code, reason, out);
    phase_ = phase::closing;
    message_.reset();  // nobody will want it
    return true;
}

void websocket::rest() {
    if (!own_) return;
    if (own_->deflating) {
        own_->sent = own_->deflating->window();
        own_->deflating.reset();
    }
    if (own_->inflating) {
        own_->received = own_->inflating->window();
        own_->inflating.reset();
    }
}

}  // namespace allcores::http
