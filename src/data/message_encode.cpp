#include "data/message_encoder.h"
// After CPython's internal headers:
#include <algorithm>

namespace allcores::data {

void encoder::open(PyObject** items, std::size_t size, bool owned, PyObject** scratch) {
    frames_.push_back({items, items + size, scratch, owned});
}

namespace {

// An object is on its way from memory before it is looked at. (A short text may lie across two
// lines of the cache.)
void prefetch(PyObject* object) {
    constexpr std::size_t text_starts = sizeof(PyASCIIObject);
    __builtin_prefetch(object);
    __builtin_prefetch(reinterpret_cast<const char*>(object) + text_starts);
}

// The same for what is in a tuple, which is itself on its way already.
void prefetch_content(PyObject* object) {
    if (Py_TYPE(object) != &PyTuple_Type) return;
    const Py_ssize_t size = std::min<Py_ssize_t>(PyTuple_GET_SIZE(object), 4);
    for (Py_ssize_t i = 0; i < size; i++) prefetch(PyTuple_GET_ITEM(object, i));
}

}  // namespace

// Writes values in a row for as long as they have no others in them; where it stops.
PyObject** encoder::put_atoms(PyObject** next, PyObject** const end, bool owned) {
    constexpr std::ptrdiff_t ahead = 8, run = 3;
    char* at = out_.place();  // in a register
    const auto put = [&]<class... Parts>(tag what, Parts... parts) {
        at = out_.ensure(at, 1 + (sizeof(Parts) + ... + 0));
        *at++ = static_cast<char>(what);
        ((at = message_writer::append(at, parts)), ...);
    };
    const auto by = [&](auto&& write) {
        out_.set_place(at);
        auto result = write();
        at = out_.place();
        return result;
    };
    while (next != end) {
        PyObject** const slot = next++;
        PyObject* const object = *slot;
        PyTypeObject* const type = Py_TYPE(object);
        if (end - next > ahead) prefetch(next[ahead]);
        if (type == &PyUnicode_Type) {
            if (crosses_as_it_is(object)) {
                put(tag::settled, object);
                continue;
            }
            if (Py_REFCNT(object) != 1 && by([&] { return is_known_or_shared(object); })) continue;
            const auto* text = reinterpret_cast<const PyASCIIObject*>(object);
            const auto length = static_cast<std::size_t>(text->length);
            if (length < 256 && text->state.ascii && text->state.compact) [[likely]] {
                at = out_.ensure(at, 10 + length);
                at = message_writer::append(at, tag::ascii);
                at = message_writer::append(at, static_cast<std::uint8_t>(length));
                at = message_writer::append(at, text->hash);
                std::memcpy(at, text + 1, length);
                at += length;
            } else {
                by([&] { return put_text(slot, owned), 0; });
            }
            continue;
        }
        if (type == &PyLong_Type) {
            if (end - next >= run && Py_TYPE(next[run - 1]) == &PyLong_Type &&
                Py_TYPE(next[0]) == &PyLong_Type && Py_TYPE(next[1]) == &PyLong_Type) {
                PyObject** after = by([&] { return put_ints(slot, end); });
                if (after != slot) {
                    next = after;
                    continue;
                }
            }
            if (!is_compact(object)) {
                by([&] { return put_long_int(object), 0; });
                continue;
            }
            // 30 bits at most.
            const Py_ssize_t value = compact_value(object);
            if (value >= -128 && value < 128) {
                put(tag::int_1, static_cast<std::int8_t>(value));
            } else {
                put(tag::int_4, static_cast<std::int32_t>(value));
            }
            continue;
        }
        if (type == &PyFloat_Type) {
            if (end - next >= run && Py_TYPE(next[run - 1]) == &PyFloat_Type) {
                next = by([&] { return put_floats(slot, end); });
            } else {
                put(tag::floating, PyFloat_AS_DOUBLE(object));
            }
            continue;
        }
        if (object == Py_None) {
            put(tag::none);
        } else if (type == &PyBool_Type) {
            put(object == Py_True ? tag::yes : tag::no);
        } else if (crosses_as_it_is(object)) {
            put(tag::settled, object);
        } else if (type == &PyBytes_Type) {
            if (Py_REFCNT(object) != 1 && by([&] { return is_known_or_shared(object); })) continue;
            by([&] { return put_bytes(slot, owned), 0; });
        } else if (type == &PyComplex_Type) {
            put(tag::complex, reinterpret_cast<PyComplexObject*>(object)->cval);
        } else {
            next = slot;
            break;
        }
    }
    out_.set_place(at);
    return next;
}

// A tuple, most of which are short and have only atoms and such tuples in them: true when all of it
// is written, false when it has opened a frame for the rest.
bool encoder::put_tuple(PyObject* tuple, bool owned, int deeper) {
    const auto size = static_cast<std::size_t>(PyTuple_GET_SIZE(tuple));
    if (size < 256) {
        out_.put(tag::tuple_1, static_cast<std::uint8_t>(size));
    } else {
        out_.put(tag::tuple, size);
    }
    PyObject** next = reinterpret_cast<PyTupleObject*>(tuple)->ob_item;
    PyObject** const end = next + size;
    while ((next = put_atoms(next, end, owned)) != end) {
        PyObject* const inner = *next;
        if (Py_TYPE(inner) != &PyTuple_Type || deeper == 0) {
            open(next, static_cast<std::size_t>(end - next), owned);
            return false;
        }
        next++;
        if (is_known(inner)) continue;
        const auto depth = static_cast<std::ptrdiff_t>(frames_.size());
        if (!put_tuple(inner, owned && Py_REFCNT(inner) == 1, deeper - 1)) {
            // Its frame, and those of what is in it, belong above this one's.
            open(next, static_cast<std::size_t>(end - next), owned);
            std::rotate(frames_.begin() + depth, frames_.end() - 1, frames_.end());
            return false;
        }
    }
    return true;
}

// Writes values of the last frame until one of them opens a frame of its own (true) or all are
// written (false).
bool encoder::advance() {
    constexpr std::ptrdiff_t content_ahead = 3;  // half of what put_atoms() looks ahead
    frame& here = frames_.back();                // good until a frame is opened
    PyObject** next = here.next;
    PyObject** const end = here.end;
    const bool owned = here.owned;
    while ((next = put_atoms(next, end, owned)) != end) {
        PyObject** const slot = next++;
        PyObject* const object = *slot;
        PyTypeObject* const type = Py_TYPE(object);
        if (is_known(object)) continue;
        const bool own = owned && Py_REFCNT(object) == 1;
        here.next = next;
        if (type == &PyTuple_Type) {
            if (end - next > content_ahead) prefetch_content(next[content_ahead]);
            if (put_tuple(object, own, most_at_once)) continue;
            return true;
        }
        if (type == &PyDict_Type) {
            open_dict(object, own);
            return true;
        }
        if (type == &PyList_Type) {
            const auto size = static_cast<std::size_t>(PyList_GET_SIZE(object));
            out_.put(tag::list, size);
            open(reinterpret_cast<PyListObject*>(object)->ob_item, size, own);
            return true;
        }
        is_plain_ = false;
        if (place_other(object, own)) return true;
    }
    here.next = next;
    return false;
}

void encoder::walk(PyObject** root, bool owned) {
    if (Py_TYPE(*root) == &PyTuple_Type && !crosses_as_it_is(*root)) {
        if (!is_known(*root)) put_tuple(*root, owned && Py_REFCNT(*root) == 1, most_at_once);
    } else {
        open(root, 1, owned);
    }
    while (!frames_.empty()) {
        if (advance()) continue;
        PyMem_RawFree(frames_.back().scratch);
        frames_.pop_back();
        if (frames_.size() < moved_depth_) moved_depth_ = 0;
    }
}

void encoder::reset() noexcept {
    for (const frame& each : frames_) PyMem_RawFree(each.scratch);
    frames_.clear();
    runs_code_ = false;
    out_.rewind();
    memo_.clear();
    if (!is_plain_) reset_others();
    busy_ = false;
}

void encoder::reset_others() noexcept {
    for (const handed_block& each : blocks_) data::drop(each.memory);
    blocks_.clear();
    pointers_.clear();
    kept_.clear();
    put_aside_ = ref();
    arrays_.clear();
    classes_.clear();
    last_class_ = 0;
    class_count_ = 0;
    shape_count_ = 0;
    ran_python_ = false;
    take_back();
    taken_.clear();
    changes_.clear();
    moves_.clear();
    moved_depth_ = 0;
    pickled_ = message();
    needs_ = 0;
    is_plain_ = true;
}

message encoder::run(PyObject** root, bool owned, const char* place, bool kept) {
    std::vector<ref> moves;
    for_many_ = kept;
    message made;
    try {
        made = write(root, owned, place, moves, way::written);
    } catch (const mixed_graph& found) {
        made = write_mixed(root, owned, place, moves, found.has_moves);
    }
    let_go(moves);
    return made;
}

// All in one pickle, which is slower, so that what is shared stays shared. What can't be pickled
// whole (it is nested too deeply) goes in two parts, and what both have goes twice.
message encoder::write_mixed(PyObject** root, bool owned, const char* place,
                             std::vector<ref>& moves, bool has_moves) {
    try {
        if (!has_moves) return write(root, owned, place, moves, way::pickled_whole);
    } catch (const python_error&) {
        if (!PyErr_ExceptionMatches(PyExc_Exception)) throw;
        PyErr_Clear();
    }
    return write(root, owned, place, moves, way::pickled_apart);
}

message encoder::write(PyObject** root, bool owned, const char* place, std::vector<ref>& moves,
                       way how) {
    struct at_end {
        encoder& self;
        ~at_end() { self.reset(); }
    } cleared{*this};
    busy_ = true;
    way_ = how;
    if (how == way::pickled_whole) {
        is_plain_ = false;
        put_aside(*root);
    } else {
        walk(root, owned);
    }
    std::unique_ptr<message::body::extras> more;
    if (!is_plain_) {
        if (how != way::pickled_whole) commit(false);
        if (!blocks_.empty() || !pointers_.empty() || class_count_ != 0 || put_aside_)
            more = std::make_unique<message::body::extras>();
        if (class_count_ != 0) name_classes(more->classes);
        if (put_aside_) pickle(*root, place);
    }
    const std::size_t bytes = out_.bytes();
    // (What is kept for long takes no more memory than it needs.)
    const bool small = (bytes <= message::most_small || for_many_) && out_.only_chunk() != nullptr;
    void* memory = std::malloc(sizeof(message::body) + (small ? bytes : 0));
    if (memory == nullptr) throw std::bad_alloc();
    message made(new (memory) message::body);
    made.body_->bytes = bytes;
    if (small) {
        std::memcpy(made.body_->small_bytes(), out_.only_chunk(), bytes);
    } else {
        made.body_->chunks = out_.take();
    }
    made.body_->marks = memo_.size();
    made.body_->runs_code = runs_code_;
    if (is_plain_) return made;
    commit(true);
    taken_.clear();
    made.body_->needs = needs_;
    moves.swap(moves_);
    if (more == nullptr) return made;
    more->blocks.swap(blocks_);
    more->pointers.swap(pointers_);
    more->pickled = std::move(pickled_);
    made.body_->more = std::move(more);
    return made;
}

namespace {

// Encoding may run Python code at its end, which may encode something else.
message run_encoder(PyObject** root, bool owned, const char* place, bool kept = false) {
    thread_local encoder usual;
    if (!usual.is_busy()) return usual.run(root, owned, place, kept);
    return encoder().run(root, owned, place, kept);
}

// With one reference of our own: an object that is on loan from a cycle that it is in may have only
// one, and is met again.
message encode_borrowed(PyObject* object, const char* place, bool kept) {
    ref held = ref::borrow(object);
    PyObject* slot = object;
    return run_encoder(&slot, false, place, kept);
}

}  // namespace

message message::encode(PyObject* object, const char* place) {
    return encode_borrowed(object, place, false);
}

message message::encode_kept(PyObject* object, const char* place) {
    return encode_borrowed(object, place, true);
}

message message::encode_last(ref object, const char* place) {
    PyObject* slot = object.release();
    struct at_end {
        PyObject*& last;
        ~at_end() { Py_DECREF(last); }
    } released{slot};
    return run_encoder(&slot, Py_REFCNT(slot) == 1, place);
}

void message::drop() noexcept {
    if (body_ == nullptr) return;
    body_->~body();
    std::free(body_);
    body_ = nullptr;
}

std::size_t message::size() const noexcept {
    if (body_ == nullptr) return 0;
    std::size_t total = sizeof(body) + body_->bytes;
    if (body_->more == nullptr) return total;
    for (const handed_block& each : body_->more->blocks) {
        total += static_cast<std::size_t>(each.bytes);
    }
    return total + body_->more->pickled.size();
}

}  // namespace allcores::data
