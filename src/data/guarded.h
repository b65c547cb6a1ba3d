// The boundary between C++ exceptions and Python's: inside, C++ exceptions; at each Python slot one
// guarded(...), which turns them into a Python exception and NULL (or -1). No C++ exception passes
// through CPython.
//
// Callable with a GIL held.
#pragma once
#include <Python.h>

#include <exception>
#include <new>
#include <stdexcept>
#include <type_traits>

#include "data/ref.h"

namespace allcores::data {

// Thrown when a Python exception is set in the current thread state; says nothing itself.
struct python_error {};

// A new reference that CPython returned, or python_error when it is NULL.
inline ref checked(PyObject* object) {
    if (object == nullptr) throw python_error();
    return ref::steal(object);
}

// A status that CPython returned, or python_error when it is negative.
inline int checked(int status) {
    if (status < 0) throw python_error();
    return status;
}

// Sets the Python exception for the C++ one that is being handled. To be called inside a catch
// block.
inline void set_python_error() noexcept {
    try {
        throw;
    } catch (const python_error&) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_SystemError, "allcores: an error without an exception");
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::invalid_argument& error) {
        PyErr_SetString(PyExc_ValueError, error.what());
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    } catch (...) {
        PyErr_SetString(PyExc_SystemError, "allcores: an unknown C++ exception");
    }
}

// Runs `body`, which returns a ref, a PyObject* (a new reference), an int or nothing (0).
template <class Body>
auto guarded(Body&& body) noexcept {
    using result = std::invoke_result_t<Body>;
    if constexpr (std::is_void_v<result>) {
        try {
            body();
            return 0;
        } catch (...) {
            set_python_error();
            return -1;
        }
    } else if constexpr (std::is_same_v<result, ref>) {
        try {
            return body().release();
        } catch (...) {
            set_python_error();
            return static_cast<PyObject*>(nullptr);
        }
    } else if constexpr (std::is_pointer_v<result>) {
        try {
            return static_cast<result>(body());
        } catch (...) {
            set_python_error();
            return static_cast<result>(nullptr);
        }
    } else {
        try {
            return static_cast<result>(body());
        } catch (...) {
            set_python_error();
            return static_cast<result>(-1);
        }
    }
}

}  // namespace allcores::data
