// Values without others in them: numbers, text, bytes.
#include "data/message_encoder.h"
// After CPython's internal headers:
#include "data/handed_buffers.h"

namespace allcores::data {
namespace {

// So many numbers in a row in one piece of the message.
constexpr std::ptrdiff_t most_in_a_row = 16384;

}  // namespace

// One that is not compact.
void encoder::put_long_int(PyObject* object) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow == 0) {
        out_.put(tag::int_8, value);
        return;
    }
    if (is_known(object)) return;
    const Py_ssize_t size =
        PyLong_AsNativeBytes(object, nullptr, 0, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
    if (size < 0) throw python_error();
    char* at = out_.room(9 + static_cast<std::size_t>(size));
    at = message_writer::append(at, tag::int_many);
    at = message_writer::append(at, size);
    if (PyLong_AsNativeBytes(object, at, size, Py_ASNATIVEBYTES_LITTLE_ENDIAN) < 0)
        throw python_error();
}

// Ints in a row, from the first on; where it stops. At once if it is not worth it.
PyObject** encoder::put_ints(PyObject** from, PyObject** end) {
    const std::ptrdiff_t most = std::min(end - from, most_in_a_row);
    std::ptrdiff_t count = 0;
    if (is_compact(from[0])) {
        char* const start = out_.room(5 + 4 * static_cast<std::size_t>(most));
        char* at = start + 5;
        for (; count < most; count++) {
            PyObject* each = from[count];
            if (end - (from + count) > 8) __builtin_prefetch(from[count + 8]);
            if (Py_TYPE(each) != &PyLong_Type || !is_compact(each)) break;
            at = message_writer::append(at, static_cast<std::int32_t>(compact_value(each)));
        }
        message_writer::append(message_writer::append(start, tag::ints_4),
                               static_cast<std::uint32_t>(count));
        out_.give_back(4 * static_cast<std::size_t>(most - count));
        return from + count;
    }
    char* const start = out_.room(5 + 8 * static_cast<std::size_t>(most));
    char* at = start + 5;
    for (; count < most; count++) {
        PyObject* each = from[count];
        if (Py_TYPE(each) != &PyLong_Type) break;
        int overflow = 0;
        const long long value = PyLong_AsLongLongAndOverflow(each, &overflow);
        if (overflow != 0) break;
        at = message_writer::append(at, value);
    }
    if (count == 0) {
        out_.give_back(5 + 8 * static_cast<std::size_t>(most));
        return from;
    }
    message_writer::append(message_writer::append(start, tag::ints_8),
                           static_cast<std::uint32_t>(count));
    out_.give_back(8 * static_cast<std::size_t>(most - count));
    return from + count;
}

PyObject** encoder::put_floats(PyObject** from, PyObject** end) {
    const std::ptrdiff_t most = std::min(end - from, most_in_a_row);
    std::ptrdiff_t count = 0;
    char* const start = out_.room(5 + 8 * static_cast<std::size_t>(most));
    char* at = start + 5;
    for (; count < most && Py_TYPE(from[count]) == &PyFloat_Type; count++)
        at = message_writer::append(at, PyFloat_AS_DOUBLE(from[count]));
    message_writer::append(message_writer::append(start, tag::floats),
                           static_cast<std::uint32_t>(count));
    out_.give_back(8 * static_cast<std::size_t>(most - count));
    return from + count;
}

// A large bytes or str as a block of its own, laid out as the object: the object itself, if nobody
// else has it, else a copy that the receiver need not copy again.
bool encoder::put_object(PyObject** slot, std::size_t bytes, bool owned) {
    if (!can_hand_over()) return false;
    handed_block block;
    block.bytes = static_cast<Py_ssize_t>(bytes);
    put_block({.object = *slot, .slot = slot, .take = owned && Py_REFCNT(*slot) == 1}, block);
    return true;
}

// Text that is not short ASCII.
void encoder::put_text(PyObject** slot, bool owned) {
    auto* text = reinterpret_cast<PyASCIIObject*>(*slot);
    const auto length = static_cast<std::size_t>(text->length);
    const bool ascii = text->state.ascii;
    const std::size_t kind = text->state.kind, bytes = length * kind;
    if (static_cast<Py_ssize_t>(bytes) >= least_handed_over && text->state.compact) {
        const std::size_t head = ascii ? sizeof(PyASCIIObject) : sizeof(PyCompactUnicodeObject);
        const bool is_one_block =
            ascii || reinterpret_cast<PyCompactUnicodeObject*>(text)->utf8 == nullptr;
        const bool whole = owned && is_one_block && text->state.interned == 0;
        if (put_object(slot, head + bytes + kind, whole)) return;
    }
    char* at = out_.room(19 + bytes);
    at = message_writer::append(at, tag::text);
    at = message_writer::append(at, static_cast<std::uint8_t>(kind));
    at = message_writer::append(at, static_cast<std::uint8_t>(ascii));
    at = message_writer::append(at, text->hash);
    at = message_writer::append(at, length);
    std::memcpy(at, PyUnicode_DATA(*slot), bytes);
}

void encoder::put_bytes(PyObject** slot, bool owned) {
    const auto size = static_cast<std::size_t>(PyBytes_GET_SIZE(*slot));
    if (static_cast<Py_ssize_t>(size) >= least_handed_over &&
        put_object(slot, offsetof(PyBytesObject, ob_sval) + size + 1, owned)) {
        return;
    }
    char* at = out_.room(9 + size);
    at = message_writer::append(at, tag::bytes);
    at = message_writer::append(at, size);
    std::memcpy(at, PyBytes_AS_STRING(*slot), size);
}

void encoder::put_bytearray(PyObject* object, bool owned, bool moved, bool strict) {
    const Py_ssize_t size = PyByteArray_GET_SIZE(object);
    if (size >= least_handed_over && can_hand_over()) {
        handed_block block;
        block.kind = handed_block::sort::bytearray;
        return put_block({.object = object,
                          .take = owned && (moved || can_take_bytearray(object)),
                          .moved = moved,
                          .strict = strict},
                         block);
    }
    char* at = out_.room(9 + static_cast<std::size_t>(size));
    at = message_writer::append(at, tag::bytearray);
    at = message_writer::append(at, size);
    std::memcpy(at, PyByteArray_AS_STRING(object), static_cast<std::size_t>(size));
}

}  // namespace allcores::data
