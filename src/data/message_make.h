// Short ASCII text and tuples, made without CPython's constructors: what most of the time of
// reading a message went into. The memory is CPython's own, and laid out as its constructors do it
// in the versions that are named here; in others, while somebody traces objects
// (PyRefTracer_SetTracer) and in debug builds of CPython, they are called.
//
// With a GIL. For src/data/message* only; include it before anything that includes Python.h.
#pragma once
#include "data/frozen_layout.h"
// After CPython's internal headers:
#include <cstring>

namespace allcores::data {

#if PY_VERSION_HEX >= 0x030E0000 && PY_VERSION_HEX < 0x03100000 && !defined(Py_REF_DEBUG) && \
    !defined(Py_TRACE_REFS)
inline constexpr bool knows_objects = true;
#else
inline constexpr bool knows_objects = false;
#endif

class object_maker {
 public:
    // To be called for each message: tracing may begin between two of them.
    void begin() noexcept {
        void* data = nullptr;
        direct_ = knows_objects && PyRefTracer_GetTracer(&data) == nullptr;
    }

    // ASCII of any length. Null with an exception set.
    PyObject* ascii(const char* text, std::size_t length, Py_hash_t hash) const noexcept {
        if (!direct_ || length == 0) [[unlikely]]
            return ascii_by_cpython(text, length, hash);
        auto* made =
            static_cast<PyASCIIObject*>(PyObject_Malloc(sizeof(PyASCIIObject) + length + 1));
        if (made == nullptr) [[unlikely]]
            return PyErr_NoMemory();
        begin_object(reinterpret_cast<PyObject*>(made), &PyUnicode_Type);
        made->length = static_cast<Py_ssize_t>(length);
        made->hash = hash;
        made->state = ascii_state;
        auto* content = reinterpret_cast<char*>(made + 1);
        std::memcpy(content, text, length);
        content[length] = '\0';
        return reinterpret_cast<PyObject*>(made);
    }

    // An empty one, which the GC does not track yet (but for the one without elements, which it
    // never does). Null with an exception set.
    PyObject* tuple(std::size_t size) const noexcept {
        if (!direct_ || size == 0) [[unlikely]]
            return tuple_by_cpython(size);
        const std::size_t bytes =
            sizeof(gc_head) + offsetof(PyTupleObject, ob_item) + size * sizeof(PyObject*);
        auto* head = static_cast<gc_head*>(PyObject_Malloc(bytes));
        if (head == nullptr) [[unlikely]]
            return PyErr_NoMemory();
        *head = {0, 0};
        auto* made = reinterpret_cast<PyTupleObject*>(head + 1);
        begin_object(reinterpret_cast<PyObject*>(made), &PyTuple_Type);
        Py_SET_SIZE(made, static_cast<Py_ssize_t>(size));
        made->ob_hash = -1;
        for (std::size_t i = 0; i < size; i++) made->ob_item[i] = nullptr;
        return reinterpret_cast<PyObject*>(made);
    }

 private:
    using text_state = decltype(PyASCIIObject::state);

    static void begin_object(PyObject* made, PyTypeObject* type) noexcept {
        made->ob_refcnt_full = 1;
        made->ob_type = type;
    }

    static PyObject* ascii_by_cpython(const char* text, std::size_t length,
                                      Py_hash_t hash) noexcept {
        PyObject* made = PyUnicode_New(static_cast<Py_ssize_t>(length), 127);
        if (made == nullptr || length == 0) return made;
        std::memcpy(PyUnicode_DATA(made), text, length);
        reinterpret_cast<PyASCIIObject*>(made)->hash = hash;
        return made;
    }

    static PyObject* tuple_by_cpython(std::size_t size) noexcept {
        PyObject* made = PyTuple_New(static_cast<Py_ssize_t>(size));
        if (made != nullptr && size != 0) PyObject_GC_UnTrack(made);
        return made;
    }

    static constexpr text_state ascii_state = [] {
        text_state made = {};
        made.kind = PyUnicode_1BYTE_KIND;
        made.compact = 1;
        made.ascii = 1;
        return made;
    }();

    bool direct_ = false;
};

}  // namespace allcores::data
