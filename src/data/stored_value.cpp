#include "data/frozen_layout.h"
// After CPython's internal headers:
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "data/guarded.h"
#include "data/stored_value.h"

namespace allcores::data {

stored_value::~stored_value() {
    if (kind_ == kind::characters) std::free(content_.text);
}

stored_value::characters* stored_value::copy(std::size_t length, unsigned width,
                                             const void* content) {
    const std::size_t bytes = length * (width == 0 ? 1 : width);
    auto* made = static_cast<characters*>(std::malloc(sizeof(characters) + bytes));
    if (made == nullptr) throw std::bad_alloc();
    made->hash = -1;
    made->length = static_cast<std::uint32_t>(length);
    made->width = static_cast<std::uint8_t>(width);
    made->is_ascii = false;
    if (bytes != 0) std::memcpy(static_cast<void*>(made + 1), content, bytes);
    return made;
}

stored_value stored_value::store(PyObject* object) {
    constexpr Py_ssize_t longest = std::numeric_limits<std::uint32_t>::max();
    stored_value made;
    PyTypeObject* type = Py_TYPE(object);
    if (is_settled(object)) {
        made.content_.address = object;
        made.kind_ = kind::address;
        return made;
    }
    if (type == &PyUnicode_Type && PyUnicode_GET_LENGTH(object) <= longest) {
        made.content_.text = copy(static_cast<std::size_t>(PyUnicode_GET_LENGTH(object)),
                                  PyUnicode_KIND(object), PyUnicode_DATA(object));
        made.content_.text->hash = reinterpret_cast<PyASCIIObject*>(object)->hash;
        made.content_.text->is_ascii = PyUnicode_IS_ASCII(object) != 0;
        made.kind_ = kind::characters;
        return made;
    }
    if (type == &PyBytes_Type && PyBytes_GET_SIZE(object) <= longest) {
        made.content_.text =
            copy(static_cast<std::size_t>(PyBytes_GET_SIZE(object)), 0, PyBytes_AS_STRING(object));
        made.kind_ = kind::characters;
        return made;
    }
    if (type == &PyLong_Type) {
        int overflow = 0;
        const long long number = PyLong_AsLongLongAndOverflow(object, &overflow);
        if (overflow == 0) {
            made.content_.integer = number;
            made.kind_ = kind::integer;
            return made;
        }
    }
    if (type == &PyFloat_Type) {
        made.content_.floating = PyFloat_AS_DOUBLE(object);
        made.kind_ = kind::floating;
        return made;
    }
    made.message_ = message::encode_kept(object);
    return made;
}

PyObject* stored_value::load() const {
    switch (kind_) {
        case kind::address:
            return Py_NewRef(content_.address);
        case kind::integer:
            return checked(PyLong_FromLongLong(content_.integer)).release();
        case kind::floating:
            return checked(PyFloat_FromDouble(content_.floating)).release();
        case kind::characters: {
            const characters& text = *content_.text;
            const auto length = static_cast<Py_ssize_t>(text.length);
            if (text.width == 0)
                return checked(PyBytes_FromStringAndSize(text.content(), length)).release();
            const Py_UCS4 most = text.is_ascii     ? 127
                                 : text.width == 1 ? 255
                                 : text.width == 2 ? 0xFFFF
                                                   : 0x10FFFF;
            ref made = checked(PyUnicode_New(length, most));
            // (Never one of CPython's own, which it gives for short ones: those are settled.)
            std::memcpy(PyUnicode_DATA(made.get()), text.content(), text.bytes());
            reinterpret_cast<PyASCIIObject*>(made.get())->hash = text.hash;
            return made.release();
        }
        case kind::message:
            break;
    }
    return message_.decode_copy();
}

std::size_t stored_value::bytes() const noexcept {
    if (kind_ == kind::characters) return sizeof(characters) + content_.text->bytes();
    return message_.size();
}

}  // namespace allcores::data
