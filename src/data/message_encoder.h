// One message being written. Values are written one after the other by an explicit stack of frames,
// so nesting has no limit but memory. No Python code runs meanwhile, so the GIL stays held and
// borrowed pointers stay good: what needs Python code to be written is put aside and pickled at the
// end, all of it together.
//
// For src/data/message* only; include it before anything that includes Python.h. One object for
// each thread, used again, with its GIL.
#pragma once
#include "data/frozen_layout.h"
// After CPython's internal headers:
#include <optional>
#include <vector>

#include "data/foreign_memory.h"
#include "data/guarded.h"
#include "data/message_body.h"
#include "data/message_classes.h"
#include "data/message_memo.h"
#include "data/message_writer.h"

namespace allcores::data {

class encoder {
 public:
    // `root` is where the object is: None is put there if it changes hands as a whole.
    // `kept`: it will be received many times.
    message run(PyObject** root, bool owned, const char* place, bool kept);

    bool is_busy() const { return busy_; }

 private:
    // Values in a row: a container's own storage, or a copy of what is not in a row there.
    struct frame {
        PyObject** next;
        PyObject** end;
        PyObject** scratch;  // owned; null: it is the container's storage
        bool owned;          // nobody else refers to what they are in
    };

    // How instances go: by the codec; all of the root in one pickle; each in the pickle.
    enum class way : std::uint8_t { written, pickled_whole, pickled_apart };

    // Thrown where a pickle would have a second one of what the codec has written.
    struct mixed_graph {
        bool has_moves;  // which can't be pickled
    };

    message write(PyObject** root, bool owned, const char* place, std::vector<ref>& moves, way how);
    message write_mixed(PyObject** root, bool owned, const char* place, std::vector<ref>& moves,
                        bool has_moves);
    void walk(PyObject** root, bool owned);
    bool advance();
    bool put_tuple(PyObject* tuple, bool owned, int deeper);
    PyObject** put_atoms(PyObject** next, PyObject** end, bool owned);
    void reset() noexcept;
    void reset_others() noexcept;

    // Whether the object has been written already, and then writes that; else it has a number from
    // now on, if others may refer to it.
    bool is_known(PyObject* object) { return Py_REFCNT(object) != 1 && is_known_or_shared(object); }
    // The same for one that others may refer to without a reference.
    bool is_known_or_shared(PyObject* object) {
        const std::int64_t number = memo_.number_of(object);
        if (number < 0) {
            out_.put(tag::mark);
            return false;
        }
        if (number == message_memo::once_only) refuse_again();
        out_.put(tag::again, static_cast<std::uint32_t>(number));
        return true;
    }

    void open(PyObject** items, std::size_t size, bool owned, PyObject** scratch = nullptr);

    // Which attributes objects of a class have, in which order.
    struct shape {
        std::uint32_t number;
        std::vector<PyObject*> names;
    };
    struct sent_class {
        PyTypeObject* type;
        bool is_plain;
        std::int64_t fields;       // -1: not a named tuple
        std::int64_t number = -1;  // in the message; -1: none of its objects is in it
        std::vector<shape> shapes;
        std::vector<slot_place> slots;
    };

    // Memory that is to change hands.
    struct change {
        PyObject* object;
        PyObject** slot = nullptr;  // of a whole object: where it is taken out
        bool take = true;           // false: it is copied
        bool moved = false;         // by move(), itself
        bool inside = false;        // of something that was
        bool strict = false;
        std::size_t block = 0;  // its number
    };
    struct array {
        Py_ssize_t index;  // in put_aside_
        bool moved;
        bool strict;
    };

    // Of message_encode_moved.cpp.
    bool place_moved(PyObject* object);
    [[noreturn]] static void refuse_again();
    void put_block(const change& what, handed_block block);
    void copy_block(const change& what);
    void settle_moved_twice(PyObject* left_out);
    void commit(bool of_moves);
    void take_back() noexcept;
    void begin_moving();
    static void let_go(const std::vector<ref>& moves) noexcept;
    bool is_moving() const { return moved_depth_ != 0; }

    // Of message_encode_atoms.cpp.
    void put_long_int(PyObject* object);
    PyObject** put_ints(PyObject** from, PyObject** end);
    PyObject** put_floats(PyObject** from, PyObject** end);
    void put_text(PyObject** slot, bool owned);
    void put_bytes(PyObject** slot, bool owned);
    void put_bytearray(PyObject* object, bool owned, bool moved = false, bool strict = false);
    bool put_object(PyObject** slot, std::size_t bytes, bool owned);

    // Of message_encode_containers.cpp.
    void open_dict(PyObject* dict, bool owned);
    void open_dict_pairs(PyObject* dict);
    void open_set(PyObject* set);

    // Of message_encode_known.cpp. True when they have opened a frame.
    bool place_other(PyObject* object, bool owned);
    bool place_known(PyObject* object, known which, bool owned);
    bool place_clock(PyObject* object, tag what, const void* data, std::size_t bytes, int fold,
                     PyObject* zone);
    bool place_timezone(PyObject* object);
    void put_decimal(PyObject* object);
    void put_uuid(PyObject* object);
    void put_array(PyObject* object, bool owned, bool moved = false, bool strict = false);
    void put_aside(PyObject* object);

    // Of message_encode_instances.cpp.
    bool place_instance(PyObject* object);
    std::optional<bool> place_named_tuple(PyObject* object, bool owned);
    bool place_name_space(PyObject* object);
    sent_class& class_of(PyTypeObject* type);
    std::int64_t shape_of_names(sent_class& known, std::size_t count);
    void name_classes(std::vector<message_class>& named);
    bool has_written(PyObject* object) const;

    // Of message_pickle.cpp.
    void pickle(PyObject* root, const char* place);
    void take_arrays(PyObject* module);
    static PyObject* persistent_id(PyObject* state, PyObject* object);

    message_writer out_;
    message_memo memo_;
    std::vector<frame> frames_;
    bool runs_code_ = false;  // the receiver does
    bool busy_ = false;

    // What follows is as at the beginning for as long as there was nothing but atoms, tuples, lists
    // and dicts.
    bool is_plain_ = true;
    std::vector<handed_block> blocks_;
    std::vector<pointed> pointers_;
    std::vector<ref> kept_;      // made on the way; frames may point into them
    ref put_aside_;              // a list: what is to be pickled
    std::vector<array> arrays_;  // NumPy's in it whose memory may change hands
    std::vector<taken_array> taken_;
    std::vector<change> changes_;
    std::vector<ref> moves_;
    std::size_t moved_depth_ = 0;  // frames_.size() of the outermost that was moved; 0: none
    std::vector<sent_class> classes_;
    std::vector<PyObject*> names_;  // of the object that is being written
    std::size_t last_class_ = 0;
    std::int64_t class_count_ = 0;
    std::uint32_t shape_count_ = 0;
    message pickled_;
    std::uint32_t needs_ = 0;
    bool ran_python_ = false;  // this has
    bool for_many_ = false;    // it will be received many times
    way way_ = way::written;
};

// Of ints of up to 30 bits.
inline bool is_compact(PyObject* number) {
    return PyUnstable_Long_IsCompact(reinterpret_cast<PyLongObject*>(number));
}
inline Py_ssize_t compact_value(PyObject* number) {
    return PyUnstable_Long_CompactValue(reinterpret_cast<PyLongObject*>(number));
}

// Whether an object is the same in every interpreter: one of CPython's static ones, or frozen.
inline bool crosses_as_it_is(PyObject* object) {
    return _Py_IsStaticImmortal(object) && is_settled(object);
}

// Whether a key's hash and what it is equal to are the same in every interpreter, so that a table
// which it is in may be copied as it is.
bool is_stable_key(PyObject* key, int depth = 0);

}  // namespace allcores::data
