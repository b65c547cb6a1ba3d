#include "data/atoms.h"

#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "data/frozen.h"
#include "data/guarded.h"

namespace allcores::data {
namespace {

enum class tag : char {
    none,
    yes,
    no,
    small_int,
    big_int,
    floating,
    complex,
    text,
    bytes,
    tuple,
    frozen,
};

class writer {
 public:
    template <class T>
    void put(T value) {
        bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }
    void put_bytes(const char* data, Py_ssize_t size) {
        put(size);
        bytes_.append(data, static_cast<std::size_t>(size));
    }
    std::string take() { return std::move(bytes_); }

 private:
    std::string bytes_;
};

// What is being written: a tuple and the position in it. Kept alive by the tuple that holds it, or
// by the caller.
struct level {
    PyObject* tuple;
    Py_ssize_t next;
};

std::string path_of(const std::vector<level>& levels, const std::string& place,
                    bool outermost_is_arguments) {
    std::string path = place;
    for (std::size_t i = 0; i < levels.size(); i++) {
        const Py_ssize_t index = levels[i].next - 1;
        if (i == 0 && outermost_is_arguments) {
            path = "argument " + std::to_string(index + 1);
        } else if (i > 40) {
            return path + "...";
        } else {
            path += "[" + std::to_string(index) + "]";
        }
    }
    return path;
}

[[noreturn]] void refuse(PyObject* value, const std::string& path) {
    const bool freezable = PyList_CheckExact(value) || PyDict_CheckExact(value) ||
                           PySet_CheckExact(value) || PyFrozenSet_CheckExact(value) ||
                           PyByteArray_CheckExact(value) || PyRange_Check(value);
    PyErr_Format(
        PyExc_TypeError,
        freezable
            ? "%s: a %T cannot go to another interpreter as it is; pass allcores.freeze(...) of it"
            : "%s: a %T cannot go to another interpreter; what can is None, bool, int, float, "
              "complex, "
              "str, bytes, tuples of them, and what allcores.freeze returns",
        path.c_str(), value);
    throw python_error();
}

void put_int(writer& out, PyObject* value) {
    int overflow = 0;
    const long long small = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow == 0) {
        out.put(tag::small_int);
        out.put(small);
        return;
    }
    const Py_ssize_t size = PyLong_AsNativeBytes(value, nullptr, 0, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
    if (size < 0) throw python_error();
    std::string digits(static_cast<std::size_t>(size), '\0');
    if (PyLong_AsNativeBytes(value, digits.data(), size, Py_ASNATIVEBYTES_LITTLE_ENDIAN) < 0)
        throw python_error();
    out.put(tag::big_int);
    out.put_bytes(digits.data(), size);
}

// Everything but tuples; false when it is none of these.
bool put_leaf(writer& out, PyObject* value) {
    if (value == Py_None) {
        out.put(tag::none);
    } else if (value == Py_True) {
        out.put(tag::yes);
    } else if (value == Py_False) {
        out.put(tag::no);
    } else if (const std::uintptr_t address = frozen_address(value)) {
        out.put(tag::frozen);
        out.put(address);
    } else if (PyLong_CheckExact(value)) {
        put_int(out, value);
    } else if (PyFloat_CheckExact(value)) {
        out.put(tag::floating);
        out.put(PyFloat_AS_DOUBLE(value));
    } else if (PyComplex_CheckExact(value)) {
        out.put(tag::complex);
        out.put(PyComplex_AsCComplex(value));
    } else if (PyUnicode_CheckExact(value)) {
        const int kind = PyUnicode_KIND(value);
        out.put(tag::text);
        out.put(static_cast<char>(kind));
        out.put_bytes(static_cast<const char*>(PyUnicode_DATA(value)),
                      PyUnicode_GET_LENGTH(value) * kind);
    } else if (PyBytes_CheckExact(value)) {
        out.put(tag::bytes);
        out.put_bytes(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value));
    } else {
        return false;
    }
    return true;
}

std::string encode(PyObject* root, const std::string& place, bool arguments) {
    writer out;
    std::vector<level> levels;
    PyObject* value = root;
    for (;;) {
        if (put_leaf(out, value)) {
        } else if (PyTuple_CheckExact(value)) {
            out.put(tag::tuple);
            out.put(PyTuple_GET_SIZE(value));
            levels.push_back({value, 0});
        } else {
            refuse(value, path_of(levels, place, arguments));
        }
        while (!levels.empty() && levels.back().next == PyTuple_GET_SIZE(levels.back().tuple))
            levels.pop_back();
        if (levels.empty()) return out.take();
        value = PyTuple_GET_ITEM(levels.back().tuple, levels.back().next++);
    }
}

class reader {
 public:
    explicit reader(const std::string& bytes) : next_(bytes.data()) {}
    template <class T>
    T take() {
        T value;
        std::memcpy(&value, next_, sizeof value);
        next_ += sizeof value;
        return value;
    }
    const char* take_bytes(Py_ssize_t size) {
        const char* data = next_;
        next_ += size;
        return data;
    }

 private:
    const char* next_;
};

ref leaf(reader& in, tag kind) {
    switch (kind) {
        case tag::none:
            return ref::borrow(Py_None);
        case tag::yes:
            return ref::borrow(Py_True);
        case tag::no:
            return ref::borrow(Py_False);
        case tag::small_int:
            return checked(PyLong_FromLongLong(in.take<long long>()));
        case tag::big_int: {
            const auto size = in.take<Py_ssize_t>();
            return checked(PyLong_FromNativeBytes(in.take_bytes(size),
                                                  static_cast<std::size_t>(size),
                                                  Py_ASNATIVEBYTES_LITTLE_ENDIAN));
        }
        case tag::floating:
            return checked(PyFloat_FromDouble(in.take<double>()));
        case tag::complex:
            return checked(PyComplex_FromCComplex(in.take<Py_complex>()));
        case tag::text: {
            const int width = in.take<char>();
            const auto size = in.take<Py_ssize_t>();
            return checked(PyUnicode_FromKindAndData(width, in.take_bytes(size), size / width));
        }
        case tag::bytes: {
            const auto size = in.take<Py_ssize_t>();
            return checked(PyBytes_FromStringAndSize(in.take_bytes(size), size));
        }
        case tag::frozen: {
            PyObject* object = frozen_at(in.take<std::uintptr_t>());
            if (object == nullptr) {
                PyErr_SetString(PyExc_SystemError,
                                "allcores: a frozen object is no more where it was");
                throw python_error();
            }
            return ref::borrow(object);
        }
        case tag::tuple:
            break;
    }
    PyErr_SetString(PyExc_SystemError, "allcores: a message with an unknown tag");
    throw python_error();
}

// Tuples that are being filled, outermost first. Each but the first is already in the one before
// it; what has not been filled yet is NULL there, which is how CPython itself builds them, and the
// GC does not see them until they are whole.
struct unfinished {
    PyObject* tuple;
    Py_ssize_t next;
};

}  // namespace

std::string encode_atoms(PyObject* value, const std::string& place) {
    return encode(value, place, false);
}

std::string encode_arguments(PyObject* values) {
    return encode(values, "the arguments", true);
}

ref decode_atoms(const std::string& encoded) {
    reader in(encoded);
    ref root;
    std::vector<unfinished> levels;
    for (;;) {
        const tag kind = in.take<tag>();
        const Py_ssize_t size = kind == tag::tuple ? in.take<Py_ssize_t>() : 0;
        ref value = kind == tag::tuple ? checked(PyTuple_New(size)) : leaf(in, kind);
        PyObject* made = value.get();
        if (levels.empty()) {
            root = std::move(value);
        } else {
            PyTuple_SET_ITEM(levels.back().tuple, levels.back().next++, value.release());
        }
        if (size > 0) levels.push_back({made, 0});
        while (!levels.empty() && levels.back().next == PyTuple_GET_SIZE(levels.back().tuple))
            levels.pop_back();
        if (levels.empty()) return root;
    }
}

}  // namespace allcores::data
