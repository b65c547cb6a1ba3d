#include "data/message_decoder.h"
// After CPython's internal headers:
#include <algorithm>

#include "interpreter/arena_cache.h"

namespace allcores::data {

decoder::frame& decoder::open(sort what, PyObject* made, PyObject** slots, std::size_t size) {
    frame& opened = frames_.emplace_back();
    opened.what = what;
    opened.made = made;
    opened.first = opened.next = slots;
    opened.end = slots + size;
    opened.number = number_;
    return opened;
}

// Slots for what the container can't hold yet, null, and more memory behind them.
PyObject** decoder::make_scratch(frame& open, std::size_t slots, std::size_t more_bytes) {
    void* made = PyMem_RawCalloc(1, slots * sizeof(PyObject*) + more_bytes);
    if (made == nullptr) throw std::bad_alloc();
    open.scratch = made;
    open.first = open.next = static_cast<PyObject**>(made);
    open.end = open.first + slots;
    open.places = reinterpret_cast<char*>(open.end);
    return open.first;
}

namespace {

constexpr std::size_t most_kept = 1 << 14;
// From this many bytes on a message fills arenas of 1 MiB with its objects.
constexpr std::size_t many_bytes = 1 << 20;

void track(PyObject* object) {
    if (PyObject_IS_GC(object) && !PyObject_GC_IsTracked(object)) PyObject_GC_Track(object);
}

}  // namespace

void decoder::careful(PyObject* made) {
    if (!body_->runs_code) return;
    if (PyObject_IS_GC(made) && PyObject_GC_IsTracked(made)) PyObject_GC_UnTrack(made);
    careful_.push_back(ref::borrow(made));
}

void decoder::next_chunk() {
    memory::message_chunk* done = chunk_;
    chunk_ = done->next;
    if (!keeps_) {
        body_->chunks = chunk_;
        memory::give_message_chunk(done);
    }
    next_ = chunk_->bytes();
}

namespace {

template <class Value>
Value take_from(const char*& at) {
    Value value;
    std::memcpy(&value, at, sizeof(Value));
    at += sizeof(Value);
    return value;
}

template <class Value, class Make>
PyObject** take_numbers(PyObject** slot, const char*& at, Make make) {
    for (auto count = take_from<std::uint32_t>(at); count != 0; count--) {
        *slot = make(take_from<Value>(at));
        if (*slot++ == nullptr) [[unlikely]]
            throw python_error();
    }
    return slot;
}

}  // namespace

// Makes values without others in them, and what has been made, in a row; where it stops: at the
// end, or where another kind of value begins, whose tag has been taken.
PyObject** decoder::take_atoms(PyObject** slot, PyObject** const end, tag& what) {
    const char* at = next_;  // in a register
    while (slot != end) {
        const auto found = take_from<tag>(at);
        PyObject* made = nullptr;
        switch (found) {
            case tag::mark:
                number_ = static_cast<std::int64_t>(memo_.size());
                memo_.push_back(nullptr);
                continue;
            case tag::again:
                made = Py_NewRef(memo_[take_from<std::uint32_t>(at)]);
                met_again_ = true;
                break;
            case tag::settled:
                made = take_from<PyObject*>(at);
                break;
            case tag::none:
                made = Py_None;
                break;
            case tag::yes:
                made = Py_True;
                break;
            case tag::no:
                made = Py_False;
                break;
            case tag::int_1:
                made = PyLong_FromLong(take_from<std::int8_t>(at));
                break;
            case tag::int_4:
                made = PyLong_FromLong(take_from<std::int32_t>(at));
                break;
            case tag::floating:
                made = PyFloat_FromDouble(take_from<double>(at));
                break;
            case tag::ascii: {
                const std::size_t length = take_from<std::uint8_t>(at);
                const auto hash = take_from<Py_hash_t>(at);
                made = maker_.ascii(at, length, hash);
                at += length;
                break;
            }
            case tag::bytes: {
                const auto size = take_from<Py_ssize_t>(at);
                made = PyBytes_FromStringAndSize(at, size);
                at += size;
                break;
            }
            case tag::ints_4:
                slot = take_numbers<std::int32_t>(slot, at, PyLong_FromLong);
                continue;
            case tag::ints_8:
                slot = take_numbers<long long>(slot, at, PyLong_FromLongLong);
                continue;
            case tag::floats:
                slot = take_numbers<double>(slot, at, PyFloat_FromDouble);
                continue;
            default:
                what = found;
                next_ = at;
                return slot;
        }
        if (made == nullptr) [[unlikely]]
            throw python_error();
        if (number_ >= 0) {
            memo_[static_cast<std::size_t>(number_)] = made;
            number_ = -1;
        }
        *slot++ = made;
    }
    next_ = at;
    return slot;
}

// A tuple, most of which are short and have only atoms and such tuples in them: true when it is
// whole, false when it has opened a frame for the rest.
bool decoder::take_tuple(PyObject** slot, int deeper) {
    const std::size_t size = take<std::uint8_t>();
    PyObject* made = maker_.tuple(size);
    if (made == nullptr) throw python_error();
    *slot = made;
    careful(made);
    if (number_ >= 0) memo_[static_cast<std::size_t>(number_)] = made;
    number_ = -1;
    PyObject** const first = reinterpret_cast<PyTupleObject*>(made)->ob_item;
    PyObject** const end = first + size;
    PyObject** next = first;
    bool met_again = false;
    tag what{};
    for (;;) {
        met_again_ = false;
        next = take_atoms(next, end, what);
        met_again |= met_again_;
        if (next == end) {
            met_again_ = met_again;
            // (Else nothing in it leads anywhere.)
            if (met_again && !body_->runs_code && leads_on(made)) PyObject_GC_Track(made);
            return true;
        }
        if (what != tag::tuple_1 || deeper == 0) break;
        const auto depth = static_cast<std::ptrdiff_t>(frames_.size());
        if (!take_tuple(next++, deeper - 1)) {
            // Its frame, and those of what is in it, belong above this one's.
            open_rest(made, next, end);
            std::rotate(frames_.begin() + depth, frames_.end() - 1, frames_.end());
            return false;
        }
        met_again |= met_again_;
    }
    next_--;  // the tag again
    open_rest(made, next, end);
    return false;
}

// The frame of a tuple whose elements are there up to `next`.
void decoder::open_rest(PyObject* tuple, PyObject** next, PyObject** end) {
    if (!body_->runs_code) PyObject_GC_Track(tuple);
    PyObject** const first = reinterpret_cast<PyTupleObject*>(tuple)->ob_item;
    frame& opened = open(sort::tuple, tuple, first, static_cast<std::size_t>(end - first));
    opened.next = next;
    opened.number = -1;  // (number_ may be that of the next element.)
}

// Makes elements of the last frame until one of them opens a frame of its own (true) or all are
// there (false).
bool decoder::advance() {
    frame& here = frames_.back();  // good until a frame is opened
    PyObject** slot = here.next;
    PyObject** const end = here.end;
    tag what{};
    while ((slot = take_atoms(slot, end, what)) != end) {
        PyObject* made = nullptr;
        switch (what) {
            case tag::next_chunk:
                next_chunk();
                continue;
            case tag::shape:
                take_shape();
                continue;
            case tag::tuple_1:
                here.next = slot + 1;
                if (!take_tuple(slot++, most_at_once)) return true;
                continue;
            case tag::named_tuple:
                here.next = slot + 1;
                if (!take_named_tuple(slot++)) return true;
                continue;
            case tag::tuple:
            case tag::list:
            case tag::dict_table:
            case tag::dict_pairs:
            case tag::set_table:
            case tag::set_items:
            case tag::slice:
            case tag::range:
            case tag::time:
            case tag::datetime:
            case tag::timezone:
            case tag::instance:
            case tag::name_space: {
                here.next = slot + 1;
                const std::size_t depth = frames_.size();
                made = open_container(what);
                if (frames_.size() == depth) break;  // made at once
                // (`here` may be gone.)
                *slot = made;
                if (made != nullptr && number_ >= 0)
                    memo_[static_cast<std::size_t>(number_)] = made;
                number_ = -1;
                return true;
            }
            default:
                made = atom(what);
        }
        if (made == nullptr) [[unlikely]]
            throw python_error();
        if (number_ >= 0) {
            memo_[static_cast<std::size_t>(number_)] = made;
            number_ = -1;
        }
        *slot++ = made;
    }
    here.next = slot;
    return false;
}

// What could be made only now takes its place in the parent, the last frame now, and in the memo.
void decoder::deliver(PyObject* made) {
    if (made == nullptr) throw python_error();
    frame& done = frames_.back();
    frame& parent = frames_[frames_.size() - 2];
    parent.next[-1] = made;
    done.made = made;
    if (done.number >= 0) memo_[static_cast<std::size_t>(done.number)] = made;
}

// The last frame's elements are all there.
void decoder::finish() {
    frame& done = frames_.back();
    switch (done.what) {
        case sort::root:
        case sort::list:
        case sort::slice:
            break;
        case sort::tuple:
            if (!body_->runs_code && PyTuple_GET_SIZE(done.made) != 0 && !leads_on(done.made))
                PyObject_GC_UnTrack(done.made);
            break;
        case sort::dict_table:
            finish_dict_table(done);
            break;
        case sort::dict_general:
            finish_dict_general(done);
            break;
        case sort::dict_pairs:
        case sort::set_items:
            if (body_->runs_code) {
                later_.push_back(done);
                frames_.pop_back();
                return;
            }
            insert(done);
            break;
        case sort::set_table:
            finish_set_table(done);
            break;
        case sort::range:
            deliver(PyObject_CallFunctionObjArgs(reinterpret_cast<PyObject*>(&PyRange_Type),
                                                 done.first[0], done.first[1], done.first[2],
                                                 nullptr));
            break;
        case sort::time:
        case sort::datetime:
            deliver(clock(done, done.first[0]));
            break;
        case sort::timezone:
            deliver(timezone(done.first[0], done.flag != 0 ? done.first[1] : nullptr));
            break;
        case sort::instance:
            finish_instance(done);
            break;
    }
    release(done);
    frames_.pop_back();
}

// Of a frame's own memory, what is left.
void decoder::release(frame& done) noexcept {
    if (done.scratch == nullptr && done.table == nullptr) return;
    for (PyObject** each = done.first; each != done.end; each++) Py_XDECREF(*each);
    PyMem_RawFree(std::exchange(done.scratch, nullptr));
    PyMem_Free(std::exchange(done.table, nullptr));
}

// What was made of a message that can't be made whole: it may hold cycles, so the GC has to know
// all of it.
void decoder::abandon() noexcept {
    for (frame& each : frames_) release(each);
    frames_.clear();
    for (frame& each : later_) release(each);
    later_.clear();
}

// Without a frame of its own, where it is an atom or a tuple.
void decoder::take_root(PyObject** root) {
    tag what{};
    PyObject** const end = root + 1;
    if (take_atoms(root, end, what) == end) return;
    if (what == tag::tuple_1) {
        if (take_tuple(root, most_at_once)) return;
        open(sort::root, nullptr, root, 1).next = end;
        std::rotate(frames_.begin(), frames_.end() - 1, frames_.end());
        return;
    }
    next_--;  // the tag again
    open(sort::root, nullptr, root, 1);
}

PyObject* decoder::run(message::body& body, bool keeps) {
    const bool is_large = body.bytes >= many_bytes;
    struct at_end {
        decoder& self;
        bool is_large;
        ~at_end() {
            self.reset();
            if (is_large) interpreter::expect_many_arenas(false);
        }
    } cleared{*this, is_large};
    if (is_large) interpreter::expect_many_arenas(true);
    busy_ = true;
    body_ = &body;
    keeps_ = keeps;
    maker_.begin();
    if (body.needs != 0) classes_ = &import_known(body.needs);
    if (body.more != nullptr) {
        if (body.more->pickled) unpickled_ = unpickle();
        if (!body.more->classes.empty()) find_classes();
    }
    memo_.reserve(body.marks);
    chunk_ = body.chunks;
    next_ = chunk_ != nullptr ? chunk_->bytes() : body.small_bytes();
    PyObject* root = nullptr;
    try {
        take_root(&root);
        while (!frames_.empty()) {
            if (!advance()) finish();
        }
        if (!later_.empty()) insert_later();
    } catch (...) {
        PyObject* raised = PyErr_GetRaisedException();
        abandon();
        for (const ref& each : careful_) track(each.get());
        careful_.clear();
        Py_XDECREF(root);
        PyErr_SetRaisedException(raised);
        throw;
    }
    for (const ref& each : careful_) track(each.get());
    return root;
}

void decoder::reset() noexcept {
    frames_.clear();
    memo_.clear();
    if (memo_.capacity() > most_kept) memo_.shrink_to_fit();
    later_.clear();
    careful_.clear();
    unpickled_ = ref();
    found_classes_.clear();
    shapes_.clear();
    number_ = -1;
    body_ = nullptr;
    busy_ = false;
}

namespace {

PyObject* run_decoder(message::body& body, bool keeps) {
    thread_local decoder usual;
    if (!usual.is_busy()) return usual.run(body, keeps);
    return decoder().run(body, keeps);
}

}  // namespace

PyObject* message::decode() {
    message taken = std::move(*this);
    if (!taken) {
        PyErr_SetString(PyExc_SystemError, "allcores: a message was received twice");
        throw python_error();
    }
    return run_decoder(*taken.body_, false);
}

PyObject* message::decode_copy() const {
    return run_decoder(*body_, true);
}

}  // namespace allcores::data
