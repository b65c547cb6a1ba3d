// An owning reference to a Python object: move-only, made by steal() or borrow(), given up by
// release().
//
// Used with the GIL of the object's interpreter held, destructor included: a ref dies in the
// interpreter that its object belongs to, never on the way to another one. Debug builds check it.
#pragma once
#include <Python.h>

#include <cassert>
#include <utility>

namespace allcores::data {

class [[nodiscard]] ref {
 public:
    ref() = default;
    ref(std::nullptr_t) {}
    static ref steal(PyObject* object) { return ref(object); }
    static ref borrow(PyObject* object) { return ref(Py_XNewRef(object)); }

    ref(ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {
#ifndef NDEBUG
        owner_ = other.owner_;
#endif
    }
    ref& operator=(ref&& other) noexcept {
        std::swap(object_, other.object_);
#ifndef NDEBUG
        std::swap(owner_, other.owner_);
#endif
        return *this;
    }
    ref(const ref&) = delete;
    ref& operator=(const ref&) = delete;
    ~ref() {
#ifndef NDEBUG
        assert(object_ == nullptr || owner_ == PyInterpreterState_Get());
#endif
        Py_XDECREF(object_);
    }

    [[nodiscard]] PyObject* get() const { return object_; }
    [[nodiscard]] PyObject* release() { return std::exchange(object_, nullptr); }
    explicit operator bool() const { return object_ != nullptr; }

 private:
    explicit ref(PyObject* object) : object_(object) {
#ifndef NDEBUG
        if (object != nullptr) owner_ = PyInterpreterState_Get();
#endif
    }

    PyObject* object_ = nullptr;
#ifndef NDEBUG
    PyInterpreterState* owner_ = nullptr;
#endif
};

}  // namespace allcores::data
