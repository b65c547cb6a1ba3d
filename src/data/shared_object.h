// An object that others call where it lives: what all proxies of it, in all interpreters, refer to.
//
// It is outside of every interpreter and crosses by pointer. The object itself, and what else
// belongs to the interpreter that it lives in (its home), is held by residents: they are touched
// with the home's GIL only, and let go of there, whoever drops the last proxy and wherever
// (interpreter/door.h). A home that ends takes its objects back; residents are empty from then on.
#pragma once
#include <Python.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "concurrency/monitor.h"
#include "interpreter/door.h"

namespace allcores::data {

// A reference that is kept in its object's interpreter.
class resident {
 public:
    resident() = default;
    // With the GIL of `home`. Takes the reference. Throws std::bad_alloc, and python_error
    // (RuntimeError) when the home has ended; then the reference is gone.
    resident(const std::shared_ptr<interpreter::door>& home, PyObject* object);
    resident(resident&& other) noexcept
        : home_(std::move(other.home_)), kept_(std::exchange(other.kept_, nullptr)) {}
    resident& operator=(resident&& other) noexcept {
        std::swap(home_, other.home_);
        std::swap(kept_, other.kept_);
        return *this;
    }
    resident(const resident&) = delete;
    resident& operator=(const resident&) = delete;
    // Anywhere, with a GIL or without one.
    ~resident();

    // Borrowed; null: there is none, or the home has taken it back. With the home's GIL.
    PyObject* get() const noexcept { return kept_ == nullptr ? nullptr : kept_->object; }

    struct node final : interpreter::door::leaving {
        PyObject* object = nullptr;
        // In the home's list, with its GIL.
        interpreter::door* home = nullptr;
        node* previous = nullptr;
        node* next_one = nullptr;
        void let_go(bool at_home) noexcept override;
    };

 private:
    std::shared_ptr<interpreter::door> home_;
    node* kept_ = nullptr;
};

struct shared_object {
    std::shared_ptr<interpreter::door> home;
    resident object;
    // An asyncio event loop, where the object's coroutines run; may be empty.
    resident loop;
    // A hosted object's, and its iterators': held for each call. Null: several may be in it at
    // the same time.
    std::shared_ptr<concurrency::monitor> monitor;
    // What it is, for repr: "module.Class".
    std::string type_name;
    // Once it has been asked for; -1: it has not. An object's hash never changes.
    std::atomic<Py_hash_t> hash{-1};
    // A hosted object's interpreter, which ends when this does.
    std::shared_ptr<void> keeps;

    bool is_home() const noexcept { return home->is_current(); }
};

// A method of a shared object, as proxies have them: called there by its name.
struct shared_method {
    std::shared_ptr<shared_object> of;
    resident name;     // a str of the home
    std::string text;  // the same, UTF-8 with surrogates
};

// A new one of the current interpreter's. Throws python_error (RuntimeError where nothing can be
// shared).
std::shared_ptr<shared_object> share(PyObject* object, PyObject* loop, bool with_monitor);

// What an object is called, for messages.
std::string type_name(PyObject* object);

}  // namespace allcores::data
