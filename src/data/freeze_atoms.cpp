#include <cmath>
#include <cstring>

#include "data/freezer.h"

namespace allcores::data {

namespace {

void set_header(std::byte* at, PyTypeObject* type, shape_word shape) {
    auto* object = reinterpret_cast<PyObject*>(at);
    object->ob_refcnt_full = _Py_STATIC_IMMORTAL_INITIAL_REFCNT;
    if (shape != 0) object->ob_overflow = 1;
    object->ob_type = type;
}

// The bytes behind the common header, as they are in the origin.
PyObject* copy_body(std::byte* at, PyObject* origin, std::size_t bytes, shape_word shape) {
    std::memcpy(at + sizeof(PyObject), reinterpret_cast<std::byte*>(origin) + sizeof(PyObject),
                bytes - sizeof(PyObject));
    set_header(at, Py_TYPE(origin), shape);
    return reinterpret_cast<PyObject*>(at);
}

template <class Unit>
std::size_t utf8_bytes(const Unit* text, std::size_t length) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < length; i++) {
        const std::uint32_t c = text[i];
        if (c >= 0xD800 && c <= 0xDFFF) return 0;
        bytes += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    }
    return bytes;
}

template <class Unit>
void write_utf8(const Unit* text, std::size_t length, char* to) {
    for (std::size_t i = 0; i < length; i++) {
        const std::uint32_t c = text[i];
        if (c < 0x80) {
            *to++ = static_cast<char>(c);
            continue;
        }
        if (c < 0x800) {
            *to++ = static_cast<char>(0xC0 | c >> 6);
        } else {
            if (c < 0x10000) {
                *to++ = static_cast<char>(0xE0 | c >> 12);
            } else {
                *to++ = static_cast<char>(0xF0 | c >> 18);
                *to++ = static_cast<char>(0x80 | (c >> 12 & 0x3F));
            }
            *to++ = static_cast<char>(0x80 | (c >> 6 & 0x3F));
        }
        *to++ = static_cast<char>(0x80 | (c & 0x3F));
    }
    *to = '\0';
}

// The UTF-8 form that CPython would otherwise cache in the string at first use. A string with
// surrogates has none: each use fails before anything is written.
template <class Unit>
void fill_utf8(memory::arena& arena, PyCompactUnicodeObject* string, const Unit* text,
               std::size_t length) {
    const std::size_t bytes = utf8_bytes(text, length);
    if (bytes == 0) return;
    auto* utf8 = reinterpret_cast<char*>(arena.allocate(bytes + 1));
    write_utf8(text, length, utf8);
    string->utf8 = utf8;
    string->utf8_length = static_cast<Py_ssize_t>(bytes);
}

std::size_t int_bytes(PyObject* object) {
    const auto* number = reinterpret_cast<PyLongObject*>(object);
    const std::size_t digits = std::max<std::size_t>(1, number->long_value.lv_tag >> 3);
    return offsetof(PyLongObject, long_value.ob_digit) + digits * sizeof(digit);
}

PyObject* write_int(std::byte* at, PyObject* object, shape_word shape) {
    PyObject* made = copy_body(at, object, int_bytes(object), shape);
    // Bit 2 says "one of CPython's small ints", which this one is not.
    reinterpret_cast<PyLongObject*>(made)->long_value.lv_tag &= ~std::uintptr_t{4};
    return made;
}

}  // namespace

std::size_t str_bytes(PyObject* object) {
    const auto* origin = reinterpret_cast<PyASCIIObject*>(object);
    const std::size_t header =
        origin->state.ascii ? sizeof(PyASCIIObject) : sizeof(PyCompactUnicodeObject);
    return header + (static_cast<std::size_t>(origin->length) + 1) * origin->state.kind;
}

PyObject* write_str(memory::arena& arena, std::byte* at, PyObject* object, shape_word shape) {
    auto* origin = reinterpret_cast<PyASCIIObject*>(object);
    if (origin->hash == -1) PyUnicode_Type.tp_hash(object);
    const std::size_t length = static_cast<std::size_t>(origin->length);
    PyObject* made = copy_body(at, object, str_bytes(object), shape);
    auto* string = reinterpret_cast<PyASCIIObject*>(made);
    // "Interned, immortal and static": no interpreter tries to intern it, or to free it when it
    // ends.
    string->state.interned = SSTATE_INTERNED_IMMORTAL_STATIC;
    string->state.statically_allocated = 1;
    if (!string->state.ascii) {
        auto* compact = reinterpret_cast<PyCompactUnicodeObject*>(made);
        compact->utf8 = nullptr;
        compact->utf8_length = 0;
        const void* text = compact + 1;
        switch (string->state.kind) {
            case PyUnicode_1BYTE_KIND:
                fill_utf8(arena, compact, static_cast<const Py_UCS1*>(text), length);
                break;
            case PyUnicode_2BYTE_KIND:
                fill_utf8(arena, compact, static_cast<const Py_UCS2*>(text), length);
                break;
            default:
                fill_utf8(arena, compact, static_cast<const Py_UCS4*>(text), length);
        }
    }
    return made;
}

std::size_t bytes_bytes(std::size_t size) {
    return offsetof(PyBytesObject, ob_sval) + size + 1;
}

PyObject* write_bytes(std::byte* at, const char* data, std::size_t size, shape_word shape) {
    set_header(at, &PyBytes_Type, shape);
    auto* made = reinterpret_cast<PyBytesObject*>(at);
    Py_SET_SIZE(made, static_cast<Py_ssize_t>(size));
    std::memcpy(made->ob_sval, data, size);
    made->ob_sval[size] = '\0';
    auto* object = reinterpret_cast<PyObject*>(made);
    _Py_COMP_DIAG_PUSH _Py_COMP_DIAG_IGNORE_DEPR_DECLS made->ob_shash = -1;
    _Py_COMP_DIAG_POP PyBytes_Type.tp_hash(object);
    return object;
}

bool is_number(PyObject* object) {
    return PyLong_CheckExact(object) || PyFloat_CheckExact(object) || PyComplex_CheckExact(object);
}

PyObject* write_number(memory::arena& arena, PyObject* object) {
    std::size_t bytes = sizeof(PyComplexObject);
    if (PyLong_CheckExact(object)) return write_int(arena.allocate(int_bytes(object)), object, 0);
    if (PyFloat_CheckExact(object)) bytes = sizeof(PyFloatObject);
    return copy_body(arena.allocate(bytes), object, bytes, 0);
}

// An atom has no GC head: with a shape it gets a word for it in front.
std::byte* freezer::allocate_atom(std::size_t bytes, shape_word shape) {
    if (shape == 0) return arena_.allocate(bytes);
    std::byte* at = arena_.allocate(bytes + 16) + 16;
    reinterpret_cast<shape_word*>(at)[-1] = shape;
    return at;
}

PyObject* freezer::copy_int(PyObject* object, shape_word shape) {
    return write_int(allocate_atom(int_bytes(object), shape), object, shape);
}

PyObject* freezer::copy_float(PyObject* object, shape_word shape) {
    // The hash of a NaN comes from its address.
    if (std::isnan(reinterpret_cast<PyFloatObject*>(object)->ob_fval)) [[unlikely]]
        converted_ = true;
    return copy_body(allocate_atom(sizeof(PyFloatObject), shape), object, sizeof(PyFloatObject),
                     shape);
}

PyObject* freezer::copy_complex(PyObject* object, shape_word shape) {
    const Py_complex& value = reinterpret_cast<PyComplexObject*>(object)->cval;
    if (std::isnan(value.real) || std::isnan(value.imag)) converted_ = true;
    return copy_body(allocate_atom(sizeof(PyComplexObject), shape), object, sizeof(PyComplexObject),
                     shape);
}

PyObject* freezer::copy_str(PyObject* object, shape_word shape) {
    if (!reinterpret_cast<PyASCIIObject*>(object)->state.compact)
        refuse(object, "it is a string of an old C interface");
    return write_str(arena_, allocate_atom(str_bytes(object), shape), object, shape);
}

PyObject* freezer::copy_bytes(const char* data, std::size_t size, shape_word shape) {
    return write_bytes(allocate_atom(bytes_bytes(size), shape), data, size, shape);
}

PyObject* freezer::copy_range(PyObject* object, shape_word shape) {
    const auto* origin = reinterpret_cast<range_object*>(object);
    std::byte* at = allocate_atom(sizeof(range_object), shape);
    set_header(at, &PyRange_Type, shape);
    auto* made = reinterpret_cast<range_object*>(at);
    const auto number = [&](PyObject* field) {
        if (is_settled(field)) return field;
        if (!PyLong_CheckExact(field)) refuse(object, "its bounds are not plain ints");
        return copy_int(field, 0);
    };
    made->start = number(origin->start);
    made->stop = number(origin->stop);
    made->step = number(origin->step);
    made->length = number(origin->length);
    return reinterpret_cast<PyObject*>(made);
}

}  // namespace allcores::data
