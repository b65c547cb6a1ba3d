// How the arguments and the result of a visit cross: a thread calls into another interpreter, and
// back, and waits for nobody in between.
//
// They mean what a message means (data/message.h). But atoms need none: the thread that brings
// immutable objects holds on to them all the way, so the other interpreter's GIL is enough to read
// what is in them; and small results are carried back by value.
#pragma once
#include <Python.h>

#include <memory>
#include <string>

#include "data/message.h"
#include "data/remote_error.h"
#include "data/shared_object.h"

namespace allcores::data {

// Whether an object can be copied by who holds another GIL than its own: immutable, of exactly a
// built-in type, with nothing else in it, and kept by somebody.
bool is_atom(PyObject* object, int depth = 0);

// Arguments on their way. The caller's references have to outlive it.
class cargo {
 public:
    // In the caller, with its GIL. `names` is null or the names of the last arguments, as in
    // vectorcall. Throws python_error (TypeError for what can't cross).
    cargo(PyObject* const* values, std::size_t count, PyObject* names);

    std::size_t count() const { return count_; }
    // In the visited interpreter, with its GIL: as many new references as there are values. Throws
    // python_error, with none made.
    void unload(PyObject** into);
    ref unload_names() const;

 private:
    PyObject* const* values_;
    const std::size_t count_;
    PyObject* const names_;
    message rest_;  // all of them, where not all are atoms
};

// A result on its way.
class delivery {
 public:
    delivery() = default;
    delivery(const delivery&) = delete;
    delivery& operator=(const delivery&) = delete;
    ~delivery() = default;

    // In the visited interpreter, with its GIL; once.
    // A result: a copy, but that the object itself (`of`, if it is one's), unless it is an atom,
    // arrives as the proxy it was called by. Throws python_error for what can't cross.
    void put(ref result, const shared_object* of);
    void put_number(long long number) {
        kind_ = kind::integer;
        number_ = number;
    }
    // A part of the object, or what its iterator is, to be called where it is.
    void put_object(std::shared_ptr<shared_object> part) {
        kind_ = kind::object;
        state_ = std::move(part);
    }
    void put_method(std::shared_ptr<shared_method> method, bool for_good) {
        kind_ = for_good ? kind::lasting_method : kind::method;
        state_ = std::move(method);
    }
    void put_end() { kind_ = kind::end; }
    // The exception that is set, which it takes.
    void put_error() noexcept;
    void put_gone() noexcept { kind_ = kind::gone; }

    enum class kind : std::uint8_t {
        nothing,
        settled,
        integer,
        real,
        text,
        bytes,
        message,
        itself,
        object,
        method,
        lasting_method,
        awaitable,
        end,
        error,
        gone,
    };
    kind what() const { return kind_; }

    // In the caller, with its GIL.
    long long number() const { return number_; }
    std::shared_ptr<void> state() { return std::move(state_); }
    const remote_error& error() const { return *error_; }
    // Of the kinds from settled to message, and awaitable's parts: a new reference, or throws
    // python_error.
    ref take();

 private:
    static constexpr std::size_t most_inline = 96;

    kind kind_ = kind::nothing;
    std::uint8_t text_kind_ = 0;
    std::uint8_t size_ = 0;  // in characters
    Py_UCS4 most_ = 0;       // text: what PyUnicode_New takes
    union {
        PyObject* object_ = nullptr;
        long long number_;
        double real_;
    };
    message message_;
    std::shared_ptr<void> state_;
    std::unique_ptr<remote_error> error_;
    char inline_[most_inline];
};

}  // namespace allcores::data
