// A value that is outside of all interpreters, to be received any number of times: what a Dict has.
//
// Frozen objects and CPython's static ones are their address; small numbers are themselves; str and
// bytes are their content; all else is a message, of which every receiver gets a copy.
//
// store() and load() with a GIL; dropped by any thread, with a GIL or without one.
#pragma once
#include <Python.h>

#include <cstdint>
#include <utility>

#include "data/message.h"

namespace allcores::data {

class stored_value {
 public:
    // Throws python_error (TypeError for what can't cross), std::bad_alloc.
    static stored_value store(PyObject* object);

    stored_value(stored_value&& other) noexcept
        : content_(other.content_),
          message_(std::move(other.message_)),
          kind_(std::exchange(other.kind_, kind::message)) {}
    stored_value(const stored_value&) = delete;
    stored_value& operator=(const stored_value&) = delete;
    ~stored_value();

    // A new reference. Throws python_error, std::bad_alloc.
    PyObject* load() const;

    // Whether load() gives this very object, wherever it is called.
    bool is_same(PyObject* object) const {
        return kind_ == kind::address && content_.address == object;
    }

    // Of memory besides its own.
    std::size_t bytes() const noexcept;

 private:
    enum class kind : std::uint8_t { address, integer, floating, characters, message };
    // Of a str or bytes, with its characters behind it.
    struct characters {
        Py_hash_t hash;
        std::uint32_t length;
        std::uint8_t width;  // of one; 0: bytes
        bool is_ascii;

        std::size_t bytes() const { return std::size_t{length} * (width == 0 ? 1 : width); }
        const char* content() const { return reinterpret_cast<const char*>(this + 1); }
    };
    union content {
        PyObject* address;
        std::int64_t integer;
        double floating;
        characters* text;
    };

    stored_value() = default;
    static characters* copy(std::size_t length, unsigned width, const void* content);

    content content_ = {nullptr};
    message message_;
    kind kind_ = kind::message;
};

}  // namespace allcores::data
