#include "data/message_encoder.h"
// After CPython's internal headers:
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "data/crossing.h"

namespace allcores::data {
namespace {

constexpr Py_ssize_t most_in_tuple = 16;
constexpr int deepest_tuple = 3;

ref copy_of_text(PyObject* text) {
    const Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    ref made = checked(PyUnicode_New(length, PyUnicode_MAX_CHAR_VALUE(text)));
    if (length == 0) return made;
    std::memcpy(PyUnicode_DATA(made.get()), PyUnicode_DATA(text),
                static_cast<std::size_t>(length) * PyUnicode_KIND(text));
    // The secret of hashes is the process's. (Another thread may just write this one, which is -1
    // until then.)
    reinterpret_cast<PyASCIIObject*>(made.get())->hash =
        std::atomic_ref(reinterpret_cast<PyASCIIObject*>(text)->hash)
            .load(std::memory_order_relaxed);
    return made;
}

ref copy_of_atom(PyObject* object) {
    PyTypeObject* const type = Py_TYPE(object);
    // (Before the rest: CPython's small ints, one-character strings, None, and what is frozen.)
    if (crosses_as_it_is(object)) return ref::borrow(object);
    if (type == &PyLong_Type) {
        auto* number = reinterpret_cast<PyLongObject*>(object);
        if (PyUnstable_Long_IsCompact(number) != 0)
            return checked(PyLong_FromSsize_t(PyUnstable_Long_CompactValue(number)));
        int overflow = 0;
        return checked(PyLong_FromLongLong(PyLong_AsLongLongAndOverflow(object, &overflow)));
    }
    if (type == &PyUnicode_Type) return copy_of_text(object);
    if (type == &PyFloat_Type) return checked(PyFloat_FromDouble(PyFloat_AS_DOUBLE(object)));
    if (type == &PyBytes_Type) {
        return checked(
            PyBytes_FromStringAndSize(PyBytes_AS_STRING(object), PyBytes_GET_SIZE(object)));
    }
    if (type == &PyComplex_Type) {
        return checked(PyComplex_FromCComplex(reinterpret_cast<PyComplexObject*>(object)->cval));
    }
    const Py_ssize_t size = PyTuple_GET_SIZE(object);
    ref made = checked(PyTuple_New(size));
    for (Py_ssize_t i = 0; i < size; i++)
        PyTuple_SET_ITEM(made.get(), i, copy_of_atom(PyTuple_GET_ITEM(object, i)).release());
    return made;
}

// What can't cross back can stay where it is, and be called there.
void advise_sharing() {
    if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) return;
    ref error = ref::steal(PyErr_GetRaisedException());
    ref text = ref::steal(PyObject_Str(error.get()));
    if (!text) return;
    PyErr_Format(PyExc_TypeError,
                 "%U; or return allcores.share(...) of it there, and call it where it is",
                 text.get());
}

// Of an error about what was given by name, among all that was given: "args[2].x: ..." becomes
// "kwargs['b'].x: ...".
void say_by_which_name(std::size_t by_place, PyObject* names) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) return;
    ref raised = ref::steal(PyErr_GetRaisedException());
    ref text = ref::steal(PyObject_Str(raised.get()));
    const char* utf8 = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
    char* rest = nullptr;
    if (utf8 != nullptr && std::strncmp(utf8, "args[", 5) == 0) {
        const std::size_t at = std::strtoul(utf8 + 5, &rest, 10);
        if (*rest == ']' && at >= by_place &&
            at - by_place < static_cast<std::size_t>(PyTuple_GET_SIZE(names))) {
            PyObject* name = PyTuple_GET_ITEM(names, static_cast<Py_ssize_t>(at - by_place));
            PyObject* cause = PyException_GetCause(raised.get());
            PyErr_Format(PyExc_TypeError, "kwargs[%R%s", name, rest);
            if (cause == nullptr || !PyErr_Occurred()) return Py_XDECREF(cause);
            raised = ref::steal(PyErr_GetRaisedException());
            PyException_SetCause(raised.get(), cause);
        }
    }
    PyErr_SetRaisedException(raised.release());
}

}  // namespace

bool is_atom(PyObject* object, int depth) {
    PyTypeObject* const type = Py_TYPE(object);
    if (type == &PyLong_Type) {
        if (PyUnstable_Long_IsCompact(reinterpret_cast<PyLongObject*>(object)) != 0) return true;
        int overflow = 0;
        PyLong_AsLongLongAndOverflow(object, &overflow);
        return overflow == 0;
    }
    if (type == &PyUnicode_Type || type == &PyFloat_Type || type == &PyBytes_Type ||
        type == &PyComplex_Type || crosses_as_it_is(object)) {
        return true;
    }
    if (type != &PyTuple_Type || depth == deepest_tuple || PyTuple_GET_SIZE(object) > most_in_tuple)
        return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); i++) {
        if (!is_atom(PyTuple_GET_ITEM(object, i), depth + 1)) return false;
    }
    return true;
}

cargo::cargo(PyObject* const* values, std::size_t count, PyObject* names)
    : values_(values), count_(count), names_(names) {
    for (std::size_t i = 0; i < count; i++) {
        if (is_atom(values[i])) continue;
        ref all = checked(PyTuple_New(static_cast<Py_ssize_t>(count)));
        for (std::size_t each = 0; each < count; each++) {
            PyTuple_SET_ITEM(all.get(), static_cast<Py_ssize_t>(each), Py_NewRef(values[each]));
        }
        try {
            rest_ = message::encode(all.get(), "args");
        } catch (const python_error&) {
            if (names != nullptr)
                say_by_which_name(count - static_cast<std::size_t>(PyTuple_GET_SIZE(names)), names);
            throw;
        }
        return;
    }
}

void cargo::unload(PyObject** into) {
    if (rest_) {
        ref all = checked(rest_.decode());
        for (std::size_t i = 0; i < count_; i++)
            into[i] = Py_NewRef(PyTuple_GET_ITEM(all.get(), static_cast<Py_ssize_t>(i)));
        return;
    }
    std::size_t made = 0;
    try {
        for (; made < count_; made++) into[made] = copy_of_atom(values_[made]).release();
    } catch (...) {
        while (made > 0) Py_DECREF(into[--made]);
        throw;
    }
}

ref cargo::unload_names() const {
    if (names_ == nullptr) return {};
    const Py_ssize_t size = PyTuple_GET_SIZE(names_);
    ref made = checked(PyTuple_New(size));
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject* name = copy_of_atom(PyTuple_GET_ITEM(names_, i)).release();
        PyUnicode_InternInPlace(&name);
        PyTuple_SET_ITEM(made.get(), i, name);
    }
    return made;
}

void delivery::put(ref result, const shared_object* of) {
    PyObject* const object = result.get();
    PyTypeObject* const type = Py_TYPE(object);
    if (of != nullptr && object == of->object.get() && !is_atom(object)) {
        kind_ = kind::itself;
        return;
    }
    if (crosses_as_it_is(object)) {
        kind_ = kind::settled;
        object_ = object;
        return;
    }
    if (type == &PyLong_Type) {
        int overflow = 0;
        const long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
        if (overflow == 0) return put_number(number);
    } else if (type == &PyFloat_Type) {
        kind_ = kind::real;
        real_ = PyFloat_AS_DOUBLE(object);
        return;
    } else if (type == &PyUnicode_Type) {
        const auto length = static_cast<std::size_t>(PyUnicode_GET_LENGTH(object));
        const std::size_t bytes = length * PyUnicode_KIND(object);
        if (bytes <= most_inline) {
            kind_ = kind::text;
            text_kind_ = static_cast<std::uint8_t>(PyUnicode_KIND(object));
            size_ = static_cast<std::uint8_t>(length);
            most_ = PyUnicode_MAX_CHAR_VALUE(object);
            std::memcpy(inline_, PyUnicode_DATA(object), bytes);
            return;
        }
    } else if (type == &PyBytes_Type) {
        const auto bytes = static_cast<std::size_t>(PyBytes_GET_SIZE(object));
        if (bytes <= most_inline) {
            kind_ = kind::bytes;
            size_ = static_cast<std::uint8_t>(bytes);
            std::memcpy(inline_, PyBytes_AS_STRING(object), bytes);
            return;
        }
    } else if (type == &PyDictKeys_Type || type == &PyDictValues_Type ||
               type == &PyDictItems_Type) {
        result = checked(PySequence_List(object));  // as multiprocessing's managers do it
    } else if (type->tp_as_async != nullptr && type->tp_as_async->am_await != nullptr &&
               !has_other_way(object)) {
        ref module = checked(PyImport_ImportModule("allcores._sharing_async"));
        PyObject* loop = of == nullptr ? nullptr : of->loop.get();
        result = checked(PyObject_CallMethod(module.get(), "start", "OO", object,
                                             loop == nullptr ? Py_None : loop));
        message_ = message::encode_last(std::move(result), "the awaitable");
        kind_ = kind::awaitable;
        return;
    }
    try {
        message_ = message::encode_last(std::move(result), "the result");
    } catch (const python_error&) {
        advise_sharing();
        throw;
    }
    kind_ = kind::message;
}

void delivery::put_error() noexcept {
    try {
        error_ = std::make_unique<remote_error>();
    } catch (const std::bad_alloc&) {
        PyErr_Clear();
        return put_gone();
    }
    *error_ = remote_error::take();
    kind_ = kind::error;
}

ref delivery::take() {
    switch (kind_) {
        case kind::settled:
            return ref::borrow(object_);
        case kind::integer:
            return checked(PyLong_FromLongLong(number_));
        case kind::real:
            return checked(PyFloat_FromDouble(real_));
        case kind::text: {
            ref made = checked(PyUnicode_New(size_, most_));
            if (size_ == 0) return made;
            std::memcpy(PyUnicode_DATA(made.get()), inline_,
                        static_cast<std::size_t>(size_) * text_kind_);
            return made;
        }
        case kind::bytes:
            return checked(PyBytes_FromStringAndSize(inline_, size_));
        case kind::message:
        case kind::awaitable:
            return checked(message_.decode());
        default:
            return ref::borrow(Py_None);
    }
}

}  // namespace allcores::data
