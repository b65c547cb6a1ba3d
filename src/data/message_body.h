// What a message is made of. For src/data/message* only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/handed_memory.h"
#include "data/message.h"
#include "data/message_types.h"
#include "memory/message_chunks.h"

namespace allcores::data {

// The first byte of each value. What follows it is in the encoder's function of the same name;
// numbers are as the machine has them.
enum class tag : std::uint8_t {
    next_chunk,  // goes on at the start of the next chunk; before any value
    mark,        // the value that follows has the next number in the memo
    again,       // number (4): that value once more
    settled,     // address (8): one of CPython's static objects, or a frozen one
    none,
    yes,
    no,
    int_1,
    int_4,
    int_8,
    int_many,  // bytes (8), digits
    ints_4,    // count (4), numbers: so many elements in a row
    ints_8,    // count (4), numbers
    floating,
    floats,  // count (4), numbers
    complex,
    ascii,       // length (1), hash, text
    text,        // kind (1), is ASCII (1), hash, length (8), text
    bytes,       // length (8), content
    bytearray,   // length (8), content
    tuple_1,     // length (1), elements
    tuple,       // length (8), elements
    list,        // length (8), elements
    dict_table,  // table_head, index [, hashes], keys and values
    dict_pairs,  // length (8), keys and values
    set_table,   // set_head, positions and hashes, elements
    set_items,   // is frozen (1), length (8), elements
    slice,       // start, stop, step
    range,       // start, stop, step
    date,        // CPython's own bytes
    time,        // the same; fold (1), has a time zone (1), the time zone
    datetime,    // the same
    timedelta,   // days, seconds, microseconds (4 each)
    timezone,    // has a name (1), offset, name or None
    decimal,     // length (4), text
    uuid,        // is_safe (1), content (16)
    array,       // typecode (1), length in bytes (8), content
    block,       // number (4): of body::blocks
    picklable,   // number (4): of the objects in body::pickled
    pointer,     // number (4): of body::pointers
    shape,     // number (4): of body::classes, count (4), names (length (1), text); before a value
    instance,  // number (4): of the shapes, attributes
    named_tuple,  // number (4): of body::classes, elements
    name_space,   // its dict: types.SimpleNamespace
};

// So many tuples in tuples are written and made at once, without frames.
inline constexpr int most_at_once = 3;

struct table_head {
    std::uint8_t log2_size, log2_index_bytes, is_general;
    std::uint32_t usable, entries;
};
struct set_head {
    std::uint8_t is_frozen;
    std::uint64_t mask, used;
};

// Memory that changes hands. `kind` says what the receiver makes of it.
struct handed_block {
    enum class sort : std::uint8_t {
        object,     // a whole bytes or str
        bytearray,  // 3.14: the buffer of one; 3.15: the bytes object in one
        array,      // the items of an array.array
    };
    void* memory = nullptr;
    sort kind = sort::object;
    char typecode = 0;         // array
    Py_ssize_t bytes = 0;      // of the memory, about
    Py_ssize_t start = 0;      // bytearray: where its content begins in the buffer
    Py_ssize_t size = 0;       // bytearray: bytes of content; array: items
    Py_ssize_t allocated = 0;  // as the object counts it: bytes, items
};

struct pointed {
    const pointer_type* how;
    std::shared_ptr<void> state;
};

// Where a class can be imported from: at the top level of a module.
struct class_place {
    std::string module, name;
};
// The class of objects that the message has: at that place, or one of the objects in body::pickled.
struct message_class {
    class_place place;
    Py_ssize_t picklable = -1;
    std::int64_t fields = -1;  // of a named tuple
};

struct message::body {
    memory::message_chunk* chunks = nullptr;  // null: `small_bytes` follow the body
    std::size_t bytes = 0;
    // Bits of known types that the receiver needs.
    std::uint32_t needs = 0;
    std::uint32_t marks = 0;
    // Making the objects runs Python code: hashing or comparing what is pickled.
    bool runs_code = false;

    // What values need that are not made of their own bytes, which most messages have not.
    struct extras {
        std::vector<handed_block> blocks;
        std::vector<pointed> pointers;
        std::vector<message_class> classes;
        // Of what is pickled: the pickle, the buffers it has out of band, and what it refers to by
        // persistent ids (python/allcores/_sending.py).
        message pickled;

        ~extras() {
            for (const handed_block& each : blocks) data::drop(each.memory);
        }
    };
    std::unique_ptr<extras> more;  // or null

    const extras& all_extras() const {
        static const extras none;
        return more != nullptr ? *more : none;
    }

    char* small_bytes() { return reinterpret_cast<char*>(this + 1); }

    ~body() {
        if (chunks != nullptr) memory::give_message_chunks(chunks);
    }
};

}  // namespace allcores::data
