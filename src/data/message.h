// A value on its way from one interpreter to another: every argument and result of a call, every
// item of a channel.
//
// encode() reads an object in the sender and writes all that it is into plain memory; decode()
// makes new objects of that in the receiver. In between a message belongs to no interpreter: it
// may be moved between threads, kept in a queue, and destroyed anywhere, with a GIL or without one,
// after its sender has ended too. What was not decoded is dropped with it.
//
// What crosses:
// - Exact built-in types, datetime's, Decimal, UUID and array.array by this codec, with what they
//   share and cycles through them. No Python code runs for these.
// - Frozen objects by their address, and types that are registered in message_types.h by pointer.
// - Functions, classes, modules and everything else by pickle (python/allcores/_sending.py), all
//   that one message holds of it in one pickle.
// - Large buffers that nobody but the message refers to (encode_last) are handed over, not copied
//   (handed_memory.h).
//
// Sending is all or nothing: encode() throws, or the message is whole.
#pragma once
#include <Python.h>

#include <utility>

#include "data/ref.h"

namespace allcores::data {

class message {
 public:
    message() noexcept = default;
    message(message&& other) noexcept : body_(std::exchange(other.body_, nullptr)) {}
    message& operator=(message&& other) noexcept {
        std::swap(body_, other.body_);
        return *this;
    }
    message(const message&) = delete;
    message& operator=(const message&) = delete;
    ~message() { drop(); }

    // In the sender, with its GIL. `place` is the value's name in errors: "args" gives
    // "args[0]['users'][3].socket: ...". Throws python_error (TypeError for what can't cross) and
    // std::bad_alloc.
    static message encode(PyObject* object, const char* place = "the value");

    // The same for an object that the sender is done with, as with a result: what nobody else
    // refers to may change hands instead of being copied, and is lost then if this throws.
    static message encode_last(ref object, const char* place = "the value");

    // In the receiver, with its GIL, once: a new reference. The message is empty afterwards, also
    // when it throws (python_error, std::bad_alloc).
    PyObject* decode();

    // For what is received many times, as a value of a Dict is: the message stays as it is, any
    // number of threads in any interpreters may do this at once, and each gets objects of its own.
    // To be encoded by encode_kept().
    PyObject* decode_copy() const;

    // As encode(). The memory of NumPy arrays that are handed over by move() is read-only from then
    // on, since all receivers have it.
    static message encode_kept(PyObject* object, const char* place = "the value");

    explicit operator bool() const { return body_ != nullptr; }

    // Bytes of memory that the message takes until it is decoded; a queue may want to know.
    std::size_t size() const noexcept;

    struct body;  // message_body.h
    // What is not larger than this is copied once more, into memory of its size.
    static constexpr std::size_t most_small = 16384;

 private:
    explicit message(body* made) : body_(made) {}
    void drop() noexcept;

    friend class encoder;
    body* body_ = nullptr;
};

}  // namespace allcores::data
