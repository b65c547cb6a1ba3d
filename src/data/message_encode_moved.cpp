// What changes hands. While a message is written only notes are made of it. What nobody else refers
// to (encode_last) is taken when the walk is over, before any Python code can run. What was moved
// is taken, and left empty, when all of the message is written and nothing can fail any more: a
// message that can't be sent leaves it as it was. If Python code has run by then, for a pickle,
// which may have changed what is inside of it, that is copied.
#include "data/message_encoder.h"
// After CPython's internal headers:
#include "data/foreign_memory.h"
#include "data/handed_buffers.h"
#include "data/message_move.h"
#include "memory/large_copy.h"

namespace allcores::data {
namespace {

[[noreturn]] void refuse(PyObject* object, const char* why) {
    PyErr_Format(PyExc_ValueError, "move(strict=True): a %T can't be handed over: %s", object, why);
    throw python_error();
}

// A copy of a large bytes or str, laid out as the object.
void copy_object(PyObject* object, handed_block& block) {
    block.memory = make_disowned(static_cast<std::size_t>(block.bytes));
    memory::copy_large(block.memory, object, static_cast<std::size_t>(block.bytes));
    auto* copy = static_cast<PyObject*>(block.memory);
    copy->ob_refcnt_full = 1;
    if (!PyUnicode_CheckExact(object)) return;
    auto* text = reinterpret_cast<PyASCIIObject*>(copy);
    text->state.interned = 0;
    if (!text->state.ascii) {
        reinterpret_cast<PyCompactUnicodeObject*>(copy)->utf8 = nullptr;
        reinterpret_cast<PyCompactUnicodeObject*>(copy)->utf8_length = 0;
    }
}

}  // namespace

const pointer_type moving = {nullptr, nullptr};

// A block that gets its memory at once, as a copy, or in commit().
void encoder::put_block(const change& what, handed_block block) {
    is_plain_ = false;
    out_.put(tag::block, static_cast<std::uint32_t>(blocks_.size()));
    changes_.push_back(what);
    changes_.back().block = blocks_.size();
    changes_.back().inside = is_moving();
    blocks_.push_back(block);
    if (!what.take) return copy_block(changes_.back());
    if (is_moving()) kept_.push_back(ref::borrow(what.object));
}

void encoder::copy_block(const change& what) {
    handed_block& block = blocks_[what.block];
    switch (block.kind) {
        case handed_block::sort::object:
            return copy_object(what.object, block);
        case handed_block::sort::bytearray:
            return copy_bytearray(what.object, block);
        case handed_block::sort::array:
            return copy_array(what.object, block);
    }
}

// What is moved by what the codec has written, and by what is in the pickle, too, goes with the
// pickle, which is a message of its own that is done first: this one has a copy.
void encoder::settle_moved_twice(PyObject* left_out) {
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(left_out); i++) {
        PyObject* object = PyList_GET_ITEM(left_out, i);
        if (pointer_type_of(Py_TYPE(object)) != &moving) continue;
        const PyObject* held = reinterpret_cast<move_object*>(object)->held;
        for (change& each : changes_) {
            if (!each.moved || !each.take || each.object != held) continue;
            if (each.strict) refuse(each.object, "it is in the message already");
            each.take = false;
            copy_block(each);
        }
    }
}

// Of NumPy's arrays memory has been taken before they were pickled.
void encoder::take_back() noexcept {
    for (taken_array& each : taken_) return_numpy_memory(each);
}

// What is in frames from now on until the last one is done is in something that is moved.
void encoder::begin_moving() {
    if (moved_depth_ == 0) moved_depth_ = frames_.size() + 1;
}

void encoder::commit(bool of_moves) {
    const auto is_due = [of_moves](const change& each) {
        return each.take && (each.moved || each.inside) == of_moves;
    };
    // First all that may fail.
    for (change& each : changes_) {
        if (!is_due(each)) continue;
        if (each.inside && ran_python_) each.take = false;
        handed_block& block = blocks_[each.block];
        if (each.take && block.kind == handed_block::sort::bytearray)
            each.take = can_take_bytearray(each.object);
        if (each.take && block.kind == handed_block::sort::array)
            each.take = can_take_array(each.object);
        if (each.take) continue;
        if (each.strict) refuse(each.object, "somebody has a view of its memory");
        copy_block(each);
    }
    for (const change& each : changes_) {
        if (!is_due(each)) continue;
        handed_block& block = blocks_[each.block];
        switch (block.kind) {
            case handed_block::sort::object:
                *each.slot = Py_None;
                disown(each.object);
                block.memory = each.object;
                break;
            case handed_block::sort::bytearray:
                take_bytearray(each.object, block);
                break;
            case handed_block::sort::array:
                take_array(each.object, block);
                break;
        }
    }
}

// After the message is whole: what was moved is left empty, which may run Python code. (What
// somebody has a view of stays: it has been copied.)
void encoder::let_go(const std::vector<ref>& moves) noexcept {
    for (const ref& each : moves) {
        auto* move = reinterpret_cast<move_object*>(each.get());
        const ref held = ref::steal(std::exchange(move->held, nullptr));
        if (!held) continue;
        int status = 0;
        if (PyList_CheckExact(held.get())) {
            status = PyList_SetSlice(held.get(), 0, PY_SSIZE_T_MAX, nullptr);
        } else if (PyDict_CheckExact(held.get())) {
            PyDict_Clear(held.get());
        } else if (PyByteArray_CheckExact(held.get())) {
            status = PyByteArray_Resize(held.get(), 0);
        } else if (known_type(Py_TYPE(held.get())) == known::array) {
            status = PySequence_DelSlice(held.get(), 0, PY_SSIZE_T_MAX);
        }
        if (status < 0) PyErr_Clear();
    }
}

void encoder::refuse_again() {
    PyErr_SetString(PyExc_ValueError, "what move() was given has been handed over already");
    throw python_error();
}

// True when it has opened a frame.
bool encoder::place_moved(PyObject* object) {
    auto* move = reinterpret_cast<move_object*>(object);
    PyObject* held = move->held;
    if (held == nullptr) refuse_again();
    // What is written is what it holds: its own number is nobody's in the message.
    memo_.allow_once(object);
    const bool strict = move->strict;
    const bool only = Py_REFCNT(held) == 1;  // a value that has no name
    PyTypeObject* type = Py_TYPE(held);
    const bool is_array = known_type(type) == known::array;
    moves_.push_back(ref::borrow(object));
    if (type != &PyList_Type && type != &PyDict_Type && type != &PyByteArray_Type && !is_array &&
        !is_numpy_array(held)) {
        // A value that can't change, or of a class: as an argument that is not moved, but that a
        // large one may go if nobody else has it.
        const bool large = type == &PyBytes_Type || type == &PyUnicode_Type;
        if (strict && !(large && only)) {
            refuse(held, large ? "somebody else refers to it"
                               : "bytearray, list, dict, array.array and NumPy arrays can");
        }
        begin_moving();
        open(&move->held, 1, large && only);
        return true;
    }
    if (is_known_or_shared(held)) {
        if (strict) refuse(held, "it is in the message already");
        return false;
    }
    if (type == &PyList_Type) {
        const auto size = static_cast<std::size_t>(PyList_GET_SIZE(held));
        out_.put(tag::list, size);
        begin_moving();
        open(reinterpret_cast<PyListObject*>(held)->ob_item, size, true);
        return true;
    }
    if (type == &PyDict_Type) {
        begin_moving();
        open_dict(held, true);
        return true;
    }
    if (type == &PyByteArray_Type) {
        if (strict && reinterpret_cast<PyByteArrayObject*>(held)->ob_exports != 0)
            refuse(held, "somebody has a view of its memory");
        put_bytearray(held, true, true, strict);
        return false;
    }
    if (is_array) {
        if (strict && !can_take_array(held)) refuse(held, "somebody has a view of its memory");
        needs_ |= std::uint32_t{1} << static_cast<unsigned>(known::array);
        put_array(held, true, true, strict);
        return false;
    }
    put_aside(held);
    arrays_.push_back({PyList_GET_SIZE(put_aside_.get()) - 1, true, strict});
    return false;
}

}  // namespace allcores::data
