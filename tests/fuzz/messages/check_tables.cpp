// The tables of dicts and sets: every entry is found from its hash before an empty place is, as
// CPython looks for it (Objects/dictobject.c, Objects/setobject.c), since it relies on that when it
// takes one out.
#include <algorithm>
#include <bit>

#include "check.h"

namespace allcores::fuzz {
namespace {

constexpr unsigned perturb_shift = 5, least_log2_size = 3;
constexpr std::size_t set_probes = 9;

// CPython's numbers for places of a dict's index.
constexpr std::int64_t is_empty = -1, is_dummy = -2;

std::int64_t index_at(const std::string& index, std::size_t place, unsigned width) {
    const auto read = [&]<class Number>(Number number) {
        std::memcpy(&number, index.data() + place * width, sizeof number);
        return std::int64_t{number};
    };
    if (width == 1) return read(std::int8_t{});
    if (width == 2) return read(std::int16_t{});
    return width == 4 ? read(std::int32_t{}) : read(std::int64_t{});
}

}  // namespace

void message_check::open_dict_table() {
    frame made{.what = data::tag::dict_table, .left = 0};
    const auto head = made.head = take<data::table_head>();
    need(head.log2_size >= least_log2_size && head.log2_size < 40, "the size of a table");
    const unsigned width = head.log2_size < 8 ? 0 : head.log2_size < 16 ? 1 : 2;
    need(head.log2_index_bytes == head.log2_size + width, "the size of an index");
    const std::uint64_t most = (std::uint64_t{2} << head.log2_size) / 3;
    need(head.entries >= 1 && std::uint64_t{head.entries} + head.usable <= most,
         "the entries of a table");
    need(head.is_general <= 1, "the kind of a table");
    const std::uint64_t index_bytes = std::uint64_t{1} << head.log2_index_bytes;
    made.index.assign(take_bytes(index_bytes), index_bytes);
    if (head.is_general != 0) {
        made.keys.resize(head.entries);
        std::memcpy(made.keys.data(), take_bytes(head.entries * sizeof(Py_hash_t)),
                    head.entries * sizeof(Py_hash_t));
        need(std::ranges::find(made.keys, -1) == made.keys.end(), "the hash of an entry");
        check_index(made);
    }
    made.left = std::uint64_t{2} * head.entries;
    open(std::move(made), kind::dict);
}

void message_check::check_index(const frame& table) {
    const std::size_t slots = std::size_t{1} << table.head.log2_size;
    const auto width = 1U << (table.head.log2_index_bytes - table.head.log2_size);
    std::vector<bool> met(table.head.entries);
    std::uint64_t used = table.head.usable;
    for (std::size_t i = 0; i < slots; i++) {
        const std::int64_t entry = index_at(table.index, i, width);
        if (entry == is_empty) continue;
        used++;
        if (entry == is_dummy) continue;
        need(entry >= 0 && entry < static_cast<std::int64_t>(met.size()), "an index");
        need(!met[static_cast<std::size_t>(entry)], "an index twice");
        met[static_cast<std::size_t>(entry)] = true;
    }
    need(used <= 2 * slots / 3, "the free places of a table");
    for (std::size_t i = 0; i < met.size(); i++) {
        auto perturb = static_cast<std::size_t>(table.keys[i]);
        std::size_t place = perturb & (slots - 1);
        for (;;) {
            const std::int64_t entry = index_at(table.index, place, width);
            need(entry != is_empty, "an entry that is not found");
            if (entry == static_cast<std::int64_t>(i)) break;
            perturb >>= perturb_shift;
            place = (place * 5 + perturb + 1) & (slots - 1);
        }
    }
}

void message_check::open_set_table() {
    const auto head = take<data::set_head>();
    const std::uint64_t slots = head.mask + 1;
    need(slots >= PySet_MINSIZE && std::has_single_bit(slots), "the size of a set");
    need(head.used >= 1 && head.used <= static_cast<std::uint64_t>(end_ - next_) / 16,
         "the elements of a set");
    need(head.mask < 64 + 16 * head.used && head.used * 5 < head.mask * 3,
         "the free places of a set");
    std::vector<std::int64_t> there(slots, -1);
    std::vector<std::uint64_t> hashes;
    for (std::uint64_t i = 0; i < head.used; i++) {
        const auto place = take<std::uint64_t>();
        hashes.push_back(take<std::uint64_t>());
        need(place < slots && there[place] < 0, "a place in a set");
        there[place] = static_cast<std::int64_t>(i);
    }
    for (std::uint64_t i = 0; i < head.used; i++) {
        std::uint64_t perturb = hashes[i], place = perturb & head.mask;
        for (bool found = false; !found;) {
            std::uint64_t probes = place + set_probes <= head.mask ? set_probes : 0;
            for (std::uint64_t at = place; !found; at++) {
                need(there[at] >= 0, "an element that is not found");
                found = there[at] == static_cast<std::int64_t>(i);
                if (probes-- == 0) break;
            }
            perturb >>= perturb_shift;
            place = (place * 5 + 1 + perturb) & head.mask;
        }
    }
    open({.what = data::tag::set_table, .left = head.used, .flag = head.is_frozen},
         head.is_frozen != 0 ? kind::open : kind::other);
}

}  // namespace allcores::fuzz
