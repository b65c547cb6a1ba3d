// One message being read: new objects are made in the order in which they were written, by an
// explicit stack of frames like the encoder's.
//
// Where nothing but built-in types are made, no Python code runs, so no garbage collection and no
// other thread sees an object that is not whole yet. A message that says `runs_code` has tables
// whose keys are hashed by their classes: then what is made is kept out of the GC's lists until all
// of it is whole, and is kept alive by itself. Such keys are put into their dicts and sets at the
// very end, since one that is part of a cycle is not whole before (message_decode_later.cpp).
//
// For src/data/message* only; include it before anything that includes Python.h.
#pragma once
#include "data/message_make.h"
// After CPython's internal headers:
#include <cstring>
#include <vector>

#include "data/guarded.h"
#include "data/message_body.h"

namespace allcores::data {

class decoder {
 public:
    // A new reference. `keeps`: the body stays as it is, others may read it at the same time.
    PyObject* run(message::body& body, bool keeps);

    bool is_busy() const { return busy_; }

 private:
    enum class sort : std::uint8_t {
        root,
        tuple,
        list,
        slice,
        dict_table,    // str keys only: filled in place
        dict_general,  // the others: keys, values and hashes are put together at the end
        dict_pairs,
        set_table,
        set_items,
        range,
        time,
        datetime,
        timezone,
        instance,
    };
    // Of objects of a class.
    struct shape {
        PyTypeObject* type;
        std::vector<ref> names;
    };

    // A container whose elements are being made.
    struct frame {
        PyObject** next;
        PyObject** end;
        PyObject** first;         // the slots: the container's own, or scratch
        void* scratch;            // owned; the slots where they are not in the container
        PyDictKeysObject* table;  // owned: a dict's, until it is whole
        Py_ssize_t mask;          // set_table: of the table to be
        PyObject* made;       // borrowed: from its slot in the parent; null until it is finished
        std::int64_t number;  // in the memo; -1: none
        char* places;         // dict_general: hashes; set_table: positions and hashes. In scratch
        sort what;
        std::uint8_t flag;  // set_items: whether it is frozen; timezone: has a name
        std::uint8_t fold;
        std::uint8_t data[10];  // time, datetime: CPython's bytes
        std::uint32_t shape;    // instance
    };

    template <class Value>
    Value take() {
        Value value;
        std::memcpy(&value, next_, sizeof(Value));
        next_ += sizeof(Value);
        return value;
    }
    const char* take_bytes(std::size_t count) {
        const char* here = next_;
        next_ += count;
        return here;
    }

    void take_root(PyObject** root);
    bool advance();
    PyObject** take_atoms(PyObject** slot, PyObject** end, tag& what);
    bool take_tuple(PyObject** slot, int deeper);
    void open_rest(PyObject* tuple, PyObject** next, PyObject** end);
    void finish();
    void deliver(PyObject* made);
    void next_chunk();
    void release(frame& done) noexcept;
    void abandon() noexcept;
    void reset() noexcept;

    frame& open(sort what, PyObject* made, PyObject** slots, std::size_t size);
    PyObject** make_scratch(frame& open, std::size_t slots, std::size_t more_bytes = 0);
    void careful(PyObject* made);

    // New objects without others in them. Of message_decode_atoms.cpp.
    PyObject* atom(tag what);
    PyObject* text();
    PyObject* block();
    PyObject* date();
    PyObject* timedelta();
    PyObject* decimal();
    PyObject* uuid();
    PyObject* array();
    PyObject* clock(const frame& open, PyObject* zone);
    PyObject* timezone(PyObject* offset, PyObject* name);
    PyObject* utc();

    // Of message_decode_instances.cpp.
    void find_classes();
    void take_shape();
    PyObject* open_instance();
    bool take_named_tuple(PyObject** slot);
    PyObject* open_name_space();
    void finish_instance(frame& open);

    // Of message_pickle.cpp.
    ref unpickle();

    // Of message_decode_containers.cpp: the container, or null where it is made at the end; a new
    // last frame.
    PyObject* open_container(tag what);
    PyObject* open_dict_table();
    PyObject* open_set(bool is_table);
    PyObject* open_clock(tag what, std::size_t bytes);
    static bool leads_on(PyObject* tuple);
    void finish_dict_table(frame& open);
    void finish_dict_general(frame& open);
    void finish_set_table(frame& open);

    // Of message_decode_later.cpp: what is hashed anew.
    void insert(frame& done);
    void fill_frozenset(frame& done);
    void insert_later();

    message::body* body_ = nullptr;
    memory::message_chunk* chunk_ = nullptr;
    bool keeps_ = false;
    object_maker maker_;
    const known_classes* classes_ = nullptr;
    const char* next_ = nullptr;
    std::vector<frame> frames_;
    std::vector<PyObject*> memo_;  // borrowed, from what is made; null: not made yet
    // If the message runs code: containers that the GC does not know yet, and those which get their
    // content at the end.
    std::vector<ref> careful_;
    std::vector<frame> later_;
    ref unpickled_;  // a list
    std::vector<ref> found_classes_;
    std::vector<shape> shapes_;
    std::int64_t number_ = -1;  // in the memo, of the value that follows
    bool met_again_ = false;    // by take_atoms()
    bool busy_ = false;
};

}  // namespace allcores::data
