#include "data/dict_key.h"

#include <cstdint>
#include <cstring>
#include <limits>

#include "data/guarded.h"
#include "data/ref.h"

namespace allcores::data {
namespace {

// Of tuples in tuples: what CPython's own recursion may need no more stack for.
constexpr int most_depth = 200;

class reader {
 public:
    explicit reader(std::string_view bytes) : at_(bytes.data()) {}

    PyObject* next() {
        const char letter = *at_++;
        if (letter == 'i') return PyLong_FromLongLong(take<long long>());
        const auto count = take<std::uint32_t>();
        const auto size = static_cast<Py_ssize_t>(count);
        switch (letter) {
            case 'I':
                return PyLong_FromNativeBytes(skip(count), count, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
            case 'b':
                return PyBytes_FromStringAndSize(skip(count), size);
            case 't': {
                ref made = checked(PyTuple_New(size));
                for (Py_ssize_t i = 0; i < size; ++i)
                    PyTuple_SET_ITEM(made.get(), i, checked(next()).release());
                return made.release();
            }
            default: {
                const int kind = letter - '0';
                // (It may be anywhere, and CPython wants its characters at their own places.)
                const std::size_t bytes = std::size_t{count} * static_cast<std::size_t>(kind);
                const char* from = skip(bytes);
                if (kind == 1) return PyUnicode_FromKindAndData(kind, from, size);
                std::vector<std::uint32_t> aligned((bytes + 3) / 4);
                std::memcpy(aligned.data(), from, bytes);
                return PyUnicode_FromKindAndData(kind, aligned.data(), size);
            }
        }
    }

 private:
    template <class Number>
    Number take() {
        Number number;
        std::memcpy(&number, at_, sizeof number);
        at_ += sizeof number;
        return number;
    }
    const char* skip(std::size_t bytes) {
        const char* here = at_;
        at_ += bytes;
        return here;
    }

    const char* at_;
};

}  // namespace

char* dict_key::room(std::size_t bytes) {
    if (many_.empty() && size_ + bytes > sizeof few_) many_.assign(few_, few_ + size_);
    if (size_ + bytes > std::numeric_limits<std::uint32_t>::max()) {
        PyErr_SetString(PyExc_ValueError, "a Dict's key of 4 GiB and more");
        throw python_error();
    }
    const bool is_large = !many_.empty() || size_ + bytes > sizeof few_;
    if (is_large) many_.resize(size_ + bytes);
    char* here = (is_large ? many_.data() : few_) + size_;
    size_ += bytes;
    return here;
}

void dict_key::add_sized(char letter, std::size_t count, const void* data, std::size_t bytes) {
    const auto stored = static_cast<std::uint32_t>(count);
    char* at = room(1 + sizeof stored + bytes);
    *at++ = letter;
    std::memcpy(at, &stored, sizeof stored);
    if (bytes != 0) std::memcpy(at + sizeof stored, data, bytes);
}

void dict_key::add_int(PyObject* key) {
    int overflow = 0;
    const long long number = PyLong_AsLongLongAndOverflow(key, &overflow);
    if (overflow == 0) {
        char* at = room(1 + sizeof number);
        *at++ = 'i';
        std::memcpy(at, &number, sizeof number);
        return;
    }
    const Py_ssize_t size = PyLong_AsNativeBytes(key, nullptr, 0, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
    if (size < 0) throw python_error();
    std::vector<char> bytes(static_cast<std::size_t>(size));
    if (PyLong_AsNativeBytes(key, bytes.data(), size, Py_ASNATIVEBYTES_LITTLE_ENDIAN) < 0)
        throw python_error();
    // As few as do: CPython may ask for one more than that.
    std::size_t needed = bytes.size();
    const auto is_sign = [&](std::size_t i) {
        const char filled = static_cast<signed char>(bytes[i - 1]) < 0 ? '\xff' : '\0';
        return bytes[i] == filled;
    };
    while (needed > 1 && is_sign(needed - 1)) --needed;
    add_sized('I', needed, bytes.data(), needed);
}

void dict_key::add(PyObject* key, int depth) {
    PyTypeObject* type = Py_TYPE(key);
    if (type == &PyUnicode_Type) {
        const auto kind = static_cast<std::size_t>(PyUnicode_KIND(key));
        const auto length = static_cast<std::size_t>(PyUnicode_GET_LENGTH(key));
        return add_sized(static_cast<char>('0' + kind), length, PyUnicode_DATA(key), length * kind);
    }
    if (type == &PyLong_Type) return add_int(key);
    if (type == &PyBytes_Type) {
        const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(key));
        return add_sized('b', size, PyBytes_AS_STRING(key), size);
    }
    if (type == &PyTuple_Type) {
        if (depth == most_depth) {
            PyErr_SetString(PyExc_ValueError,
                            "a Dict's key with too many tuples inside each other");
            throw python_error();
        }
        const Py_ssize_t size = PyTuple_GET_SIZE(key);
        add_sized('t', static_cast<std::size_t>(size), nullptr, 0);
        for (Py_ssize_t i = 0; i < size; ++i) add(PyTuple_GET_ITEM(key, i), depth + 1);
        return;
    }
    PyErr_Format(PyExc_TypeError,
                 "a Dict's keys are int, str, bytes and tuples of these, no subclasses; not %T",
                 key);
    throw python_error();
}

PyObject* key_of_bytes(std::string_view bytes) {
    return checked(reader(bytes).next()).release();
}

}  // namespace allcores::data
