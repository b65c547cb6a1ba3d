#include "check.h"

#include <algorithm>
#include <cmath>

#include "data/message_classes.h"

namespace allcores::fuzz {

using data::tag;

message_check::message_check(const data::message::body& body,
                             std::span<PyTypeObject* const> classes,
                             std::vector<PyObject*>& settled, bool collects)
    : body_(body),
      classes_(classes),
      settled_(settled),
      collects_(collects),
      blocks_used_(body.all_extras().blocks.size()),
      pointers_used_(body.all_extras().pointers.size()) {}

void message_check::need(bool holds, const char* what) {
    if (holds) return;
    reason_ = what;
    throw refused();
}

const char* message_check::take_bytes(std::uint64_t count) {
    need(count <= static_cast<std::uint64_t>(end_ - next_), "bytes past the end of a chunk");
    const char* here = next_;
    next_ += count;
    return here;
}

// Of elements, each of which takes a byte at least.
std::uint64_t message_check::take_count(std::uint64_t for_each) {
    const auto count = take<std::uint64_t>();
    const std::uint64_t most = static_cast<std::uint64_t>(end_ - next_) + after_;
    need(count <= most / for_each, "more elements than bytes");
    return count;
}

void message_check::next_chunk() {
    need(++chunk_ < chunks_.size(), "no next chunk");
    next_ = chunks_[chunk_].data();
    end_ = next_ + chunks_[chunk_].size();
    after_ -= chunks_[chunk_].size();
}

bool message_check::run(std::span<const std::span<char>> chunks) {
    chunks_ = chunks;
    for (const std::span<char> each : chunks) after_ += each.size();
    next_ = chunks[0].data();
    end_ = next_ + chunks[0].size();
    after_ -= chunks[0].size();
    try {
        frames_.push_back({.what = tag::none, .left = 1});
        while (!frames_.empty()) {
            if (frames_.back().left == 0) {
                finish();
            } else {
                step();
            }
        }
    } catch (const refused&) {
        return false;
    }
    return true;
}

// One more element of the last frame, or a part of its description.
void message_check::step() {
    const auto what = take<tag>();
    value made;
    switch (what) {
        case tag::next_chunk:
            next_chunk();
            return;
        case tag::mark:
            need(number_ < 0, "two marks of one value");
            number_ = static_cast<std::int64_t>(memo_.size());
            memo_.push_back({kind::not_made});
            return;
        case tag::shape:
            take_shape();
            return;
        case tag::ints_4:
        case tag::ints_8:
        case tag::floats: {
            need(number_ < 0, "a mark of many");
            const auto count = take<std::uint32_t>();
            frame& here = frames_.back();
            need(count <= here.left, "more numbers than elements");
            const char* numbers = take_bytes(std::uint64_t{count} * (what == tag::ints_4 ? 4 : 8));
            for (std::uint32_t i = 0; i < count; i++) {
                double number = 0;
                if (what == tag::floats) std::memcpy(&number, numbers + 8 * i, 8);
                const kind is = what != tag::floats  ? kind::number
                                : std::isnan(number) ? kind::other
                                                     : kind::key;
                here.left--;
                element(here, {is});
            }
            return;
        }
        case tag::tuple_1:
        case tag::tuple: {
            const std::uint64_t size =
                what == tag::tuple ? take_count() : std::uint64_t{take<std::uint8_t>()};
            open({.what = tag::tuple, .left = size}, kind::open);
            return;
        }
        case tag::list:
            open({.what = what, .left = take_count()}, kind::other);
            return;
        case tag::dict_table:
            open_dict_table();
            return;
        case tag::dict_pairs:
            open({.what = what, .left = 2 * take_count(2)}, kind::dict);
            return;
        case tag::set_table:
            open_set_table();
            return;
        case tag::set_items: {
            const auto frozen = take<std::uint8_t>();
            open({.what = what, .left = take_count(), .flag = frozen},
                 frozen != 0 ? kind::open : kind::other);
            return;
        }
        case tag::slice:
            open({.what = what, .left = 3}, kind::other);
            return;
        case tag::range:
            open({.what = what, .left = 3}, kind::not_made);
            return;
        case tag::time:
        case tag::datetime: {
            take_bytes(what == tag::time ? 6 : 10);
            take<std::uint8_t>();
            if (take<std::uint8_t>() != 0) {
                open({.what = what, .left = 1}, kind::not_made);
                return;
            }
            break;
        }
        case tag::timezone: {
            const auto parts = take<std::uint8_t>();
            need(parts <= 2, "parts of a timezone");
            if (parts != 2) {
                open({.what = what, .left = parts + std::uint64_t{1}, .flag = parts},
                     kind::not_made);
                return;
            }
            break;
        }
        case tag::instance: {
            const auto number = take<std::uint32_t>();
            need(number < shapes_.size(), "the number of a shape");
            open({.what = what, .left = shapes_[number]}, kind::other);
            return;
        }
        case tag::named_tuple: {
            const auto number = take<std::uint32_t>();
            const std::vector<data::message_class>& named = body_.all_extras().classes;
            need(number < named.size() && named[number].fields >= 0,
                 "the number of a named tuple's class");
            open({.what = what,
                  .left = static_cast<std::uint64_t>(named[number].fields),
                  .all_hashable = false},
                 kind::other);
            return;
        }
        case tag::name_space:
            open({.what = what, .left = 1}, kind::other);
            return;
        default:
            need(is_plain_atom(what, made), "a tag");
    }
    add(made);
}

// A value that is made at once.
bool message_check::is_plain_atom(tag what, value& made) {
    switch (what) {
        case tag::again: {
            const auto number = take<std::uint32_t>();
            need(number < memo_.size(), "the number of what is met again");
            made = memo_[number];
            need(made.is != kind::not_made, "what is met again before it is made");
            return true;
        }
        case tag::settled:
            made = take_settled();
            return true;
        case tag::none:
            made.is = kind::nothing;
            return true;
        case tag::yes:
        case tag::no:
            made.is = kind::key;
            return true;
        case tag::int_1:
            take<std::int8_t>();
            made.is = kind::number;
            return true;
        case tag::int_4:
            take<std::int32_t>();
            made.is = kind::number;
            return true;
        case tag::int_8:
            take<std::int64_t>();
            made.is = kind::number;
            return true;
        case tag::int_many:
            take_bytes(take<std::uint64_t>());
            made.is = kind::number;
            return true;
        case tag::floating:
            if (!std::isnan(take<double>())) made.is = kind::key;
            return true;
        case tag::complex: {
            const double real = take<double>(), imaginary = take<double>();
            if (!std::isnan(real) && !std::isnan(imaginary)) made.is = kind::key;
            return true;
        }
        case tag::ascii:
            made = take_ascii();
            return true;
        case tag::text:
            made = take_text();
            return true;
        case tag::bytes:
            take_bytes(take<std::uint64_t>());
            made.is = kind::key;
            return true;
        case tag::bytearray:
            take_bytes(take<std::uint64_t>());
            return true;
        case tag::date:
            take_bytes(4);
            made.is = kind::key;
            return true;
        case tag::timedelta:
            made = take_delta();
            return true;
        case tag::decimal: {
            const std::uint64_t size = take<std::uint64_t>();
            const std::string_view text(take_bytes(size), size);
            // One that is not a number (NaN) is hashed by its address.
            const bool is_number =
                std::ranges::none_of(text, [](char each) { return each == 'a' || each == 'A'; });
            if (is_number) made.is = kind::key;
            return true;
        }
        case tag::uuid:
            need(take<std::uint8_t>() < 3, "the safety of a UUID");
            take_bytes(16);
            made.is = kind::key;
            return true;
        case tag::array:
            need(std::string_view("bBhHiIlLqQfdwu").contains(take<char>()), "a typecode");
            take_bytes(take<std::uint64_t>());
            return true;
        case tag::block: {
            const auto number = take<std::uint32_t>();
            need(number < blocks_used_.size() && !blocks_used_[number], "the number of a block");
            blocks_used_[number] = true;
            const data::handed_block& block = body_.all_extras().blocks[number];
            if (block.kind != data::handed_block::sort::object) return true;
            auto* object = static_cast<PyObject*>(block.memory);
            made.is = kind::key;
            if (PyUnicode_Check(object))
                made = {kind::text, reinterpret_cast<PyASCIIObject*>(object)->hash};
            return true;
        }
        case tag::picklable:
            // The pickle is not among what is changed.
            need(collects_, "the number of what is pickled");
            take<std::uint32_t>();
            return true;
        case tag::pointer: {
            const auto number = take<std::uint32_t>();
            need(number < pointers_used_.size() && !pointers_used_[number],
                 "the number of a pointer");
            pointers_used_[number] = true;
            return true;
        }
        default:
            return false;
    }
}

message_check::value message_check::take_settled() {
    const auto written = take<std::uint64_t>();
    auto* object = reinterpret_cast<PyObject*>(written);
    if (std::ranges::find(settled_, object) == settled_.end()) {
        if (collects_) {
            settled_.push_back(object);
        } else {
            object = settled_[written % settled_.size()];
            const auto address = reinterpret_cast<std::uintptr_t>(object);
            std::memcpy(next_ - sizeof address, &address, sizeof address);
        }
    }
    if (PyUnicode_Check(object))
        return {kind::text, reinterpret_cast<PyASCIIObject*>(object)->hash};
    if (PyLong_CheckExact(object)) return {kind::number};
    return {object == Py_None ? kind::nothing : kind::key};
}

message_check::value message_check::take_ascii() {
    const auto length = take<std::uint8_t>();
    const auto hash = take<Py_hash_t>();
    const std::string_view text(take_bytes(length), length);
    need(std::ranges::none_of(text, [](char each) { return each < 0; }), "ASCII that is none");
    return {kind::text, length == 0 ? 0 : hash};
}

message_check::value message_check::take_text() {
    const auto width = take<std::uint8_t>();
    need(width == 1 || width == 2 || width == 4, "the width of characters");
    const bool is_ascii = take<std::uint8_t>() != 0;
    const auto hash = take<Py_hash_t>();
    const auto length = take<std::uint64_t>();
    need(length <= static_cast<std::uint64_t>(end_ - next_) / width, "text past the end");
    const char* at = take_bytes(length * width);
    std::uint32_t widest = 0;
    for (std::uint64_t i = 0; i < length; i++) {
        std::uint32_t each = 0;
        std::memcpy(&each, at + i * width, width);
        widest = std::max(widest, each);
    }
    const std::uint32_t least = width == 1 ? 0 : width == 2 ? 0x100 : 0x10000;
    need(widest >= least && widest <= 0x10FFFF, "text of another width");
    need(is_ascii == (widest < 0x80) && (!is_ascii || width == 1), "ASCII or not");
    return {kind::text, length == 0 ? 0 : hash};
}

message_check::value message_check::take_delta() {
    const auto days = take<std::int32_t>(), seconds = take<std::int32_t>();
    const auto microseconds = take<std::int32_t>();
    need(seconds >= 0 && seconds < 86400 && microseconds >= 0 && microseconds < 1'000'000,
         "the parts of a timedelta");
    return {days == 0 && seconds == 0 && microseconds == 0 ? kind::zero_delta : kind::delta};
}

void message_check::take_shape() {
    const auto of = take<std::uint32_t>();
    const std::vector<data::message_class>& all = body_.all_extras().classes;
    need(of < all.size() && all[of].fields < 0, "the number of a class");
    const auto count = take<std::uint32_t>();
    std::vector<std::string_view> names;
    for (std::uint32_t i = 0; i < count; i++) {
        const auto length = take<std::uint8_t>();
        const char* text = take_bytes(length);
        names.emplace_back(text, length);
        PyObject* name = PyUnicode_FromStringAndSize(text, length);
        if (name == nullptr) PyErr_Clear();
        const bool is_plain = name != nullptr && data::is_plain_attribute(classes_[of], name);
        Py_XDECREF(name);
        need(is_plain, "the name of an attribute");
    }
    std::ranges::sort(names);
    need(std::ranges::adjacent_find(names) == names.end(), "an attribute twice");
    shapes_.push_back(count);
}

void message_check::open(frame what, kind now) {
    what.number = number_;
    if (number_ >= 0) memo_[static_cast<std::size_t>(number_)] = {now};
    number_ = -1;
    what.last = {now};
    frames_.push_back(std::move(what));
}

void message_check::add(value made) {
    if (number_ >= 0) memo_[static_cast<std::size_t>(number_)] = made;
    number_ = -1;
    frames_.back().left--;
    element(frames_.back(), made);
}

// One element of a container is there; `left` are those after it.
void message_check::element(frame& of, const value& made) {
    const bool is_key = of.left % 2 == 1;  // of key, value, key, value
    switch (of.what) {
        case tag::tuple:
            of.all_hashable = of.all_hashable && made.is_hashable();
            break;
        case tag::dict_table:
            if (!is_key) break;
            if (of.head.is_general != 0) {
                need(made.is_hashable(), "the key of a table");
            } else {
                need(made.is == kind::text && made.hash != -1, "the key of a table of str");
                of.keys.push_back(made.hash);
            }
            break;
        case tag::dict_pairs:
            if (is_key) need(body_.runs_code || made.is_hashable(), "a key that runs code");
            break;
        case tag::set_table:
            need(made.is_hashable(), "an element of a table");
            break;
        case tag::set_items:
            need(body_.runs_code || made.is_hashable(), "an element that runs code");
            of.all_hashable = of.all_hashable && made.is_hashable();
            break;
        case tag::range:
            need(made.is == kind::number, "a part of a range");
            break;
        case tag::timezone:
            if (of.left == of.flag) {
                need(made.is == kind::delta || (made.is == kind::zero_delta && of.flag == 1),
                     "the offset of a timezone");
            } else {
                need(made.is == kind::text, "the name of a timezone");
            }
            break;
        case tag::name_space:
            need(made.is == kind::dict, "the attributes of a namespace");
            break;
        default:
            break;
    }
}

void message_check::finish() {
    frame done = std::move(frames_.back());
    frames_.pop_back();
    if (frames_.empty()) return;
    value made = done.last;
    switch (done.what) {
        case tag::tuple:
            made.is = done.all_hashable ? kind::key : kind::other;
            break;
        case tag::set_table:
            if (done.flag != 0) made.is = kind::key;
            break;
        case tag::set_items:
            if (done.flag != 0) made.is = done.all_hashable ? kind::key : kind::other;
            break;
        case tag::dict_table:
            if (done.head.is_general == 0) check_index(done);
            break;
        case tag::range:
        case tag::time:
        case tag::datetime:
        case tag::timezone:
            made.is = kind::other;
            break;
        default:
            break;
    }
    if (done.number >= 0) memo_[static_cast<std::size_t>(done.number)] = made;
    frames_.back().left--;
    element(frames_.back(), made);
}

}  // namespace allcores::fuzz
