// What the decoder relies on, in a message's bytes, written out as a check: bounds, tags, numbers
// of tables, counts, what a key may be, and that the tables of dicts and sets are such as CPython
// would have made.
//
// A message never leaves the process and has addresses in it, so the decoder trusts it: checking
// while it reads would cost each message, and nothing but a mistake of the encoder's could be
// found. This pass finds such mistakes instead (what the encoder writes passes), and says which of
// the fuzzer's changed messages the decoder must bear.
//
// The only addresses in the bytes are those of settled objects. Such a place counts as a number of
// one of those that are given, and is filled in.
#pragma once
#include "data/message_decoder.h"
// After CPython's internal headers:
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace allcores::fuzz {

class message_check {
 public:
    // `classes`: what the body's are in the receiver. `collects`: an address that is not among the
    // settled is believed, and is from now on.
    message_check(const data::message::body& body, std::span<PyTypeObject* const> classes,
                  std::vector<PyObject*>& settled, bool collects);

    // Whether the decoder may be given these pieces; why not is in reason().
    bool run(std::span<const std::span<char>> chunks);

    const std::string& reason() const { return reason_; }

 private:
    enum class kind : std::uint8_t {
        not_made,  // before what it is made of, as a range is
        open,      // a tuple or frozenset that is not whole
        other,     // may not be hashed, or by Python code
        key,       // hashed by no Python code
        text,
        number,
        delta,
        zero_delta,
        dict,
        nothing,
    };
    // What was made, as far as it matters for what refers to it.
    struct value {
        kind is = kind::other;
        Py_hash_t hash = -1;  // text
        bool is_hashable() const {
            return is == kind::key || is == kind::text || is == kind::number || is == kind::delta ||
                   is == kind::zero_delta || is == kind::nothing;
        }
    };
    // The counterpart of the decoder's frame.
    struct frame {
        data::tag what;
        std::uint64_t left;             // elements
        std::int64_t number = -1;       // in the memo
        std::uint8_t flag = 0;          // is frozen, has a name
        bool all_hashable = true;       // the elements so far
        std::vector<Py_hash_t> keys{};  // dict_table of str
        std::string index{};            // dict_table
        data::table_head head{};
        value last{};
    };
    struct refused {};

    template <class Value>
    Value take() {
        Value taken;
        std::memcpy(&taken, take_bytes(sizeof(Value)), sizeof(Value));
        return taken;
    }
    const char* take_bytes(std::uint64_t count);
    std::uint64_t take_count(std::uint64_t for_each = 1);
    void need(bool holds, const char* what);
    void next_chunk();

    void step();
    void add(value made);
    void finish();
    void open(frame what, kind now);
    void element(frame& of, const value& made);

    value take_text();
    value take_ascii();
    value take_settled();
    value take_delta();
    void take_shape();
    void open_dict_table();
    void open_set_table();
    void check_index(const frame& table);
    bool is_plain_atom(data::tag what, value& made);

    const data::message::body& body_;
    std::span<PyTypeObject* const> classes_;
    std::vector<PyObject*>& settled_;
    const bool collects_;
    std::span<const std::span<char>> chunks_;
    std::size_t chunk_ = 0;
    char* next_ = nullptr;
    char* end_ = nullptr;
    std::uint64_t after_ = 0;  // bytes in the chunks that follow
    std::vector<frame> frames_;
    std::vector<value> memo_;
    std::int64_t number_ = -1;
    std::vector<std::uint32_t> shapes_;  // how many attributes each has
    std::vector<bool> blocks_used_, pointers_used_;
    std::string reason_;
};

}  // namespace allcores::fuzz
