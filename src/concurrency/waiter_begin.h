// How a waiter begins, at all its channels at one moment, and how it leaves them: the part of
// concurrency/waiter.h that knows channels. Included by concurrency/channel.h alone.
#pragma once
#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "concurrency/channel.h"

namespace allcores::concurrency {

// All cases at one moment: with the locks of all their channels, taken in the order of addresses.
template <class Item>
bool waiter<Item>::begin(bool only_try) {
    const std::size_t count = cases_.size();
    std::array<std::uint32_t, 8> few;
    std::vector<std::uint32_t> many;
    std::span<std::uint32_t> turns(few.data(), std::min(count, few.size()));
    if (count > few.size()) {
        many.resize(count);
        turns = many;
    }
    for (std::uint32_t i = 0; i < count; ++i) turns[i] = i;
    const auto address = [this](std::uint32_t i) { return cases_[i].where; };
    if (count > 1) std::ranges::sort(turns, std::less<>(), address);

    bells told;
    std::vector<std::unique_lock<sync::mutex>> locks;
    std::unique_lock<sync::mutex> only;
    if (count == 1) {
        only = std::unique_lock(cases_[0].where->mutex_);
    } else {
        locks.reserve(count);
        for (const std::uint32_t i : turns) {
            sync::mutex& mutex = cases_[i].where->mutex_;
            if (locks.empty() || locks.back().mutex() != &mutex) locks.emplace_back(mutex);
        }
    }
    for (std::size_t left = count; left > 0; --left) {
        std::swap(turns[sync::random_below(left)], turns[left - 1]);
        node<Item>& which = cases_[turns[left - 1]];
        const status how = which.where->attempt(which, item_, told);
        if (how == status::waiting) continue;
        taken_.store(first_case + turns[left - 1], std::memory_order_relaxed);
        result_ = how;
        finished_.store(true, std::memory_order_release);
        return true;
    }
    if (only_try) return false;
    // In the shuffled order, as several may be at one channel.
    for (const std::uint32_t i : turns)
        cases_[i].where->list_of(cases_[i].what).push_back(cases_[i]);
    return false;
}

// Out of all lists. The claimer has taken the node that it claimed out before it said finished.
template <class Item>
void waiter<Item>::leave() {
    if (cases_.size() == 1 && finished()) return;
    for (node<Item>& each : cases_) {
        const std::lock_guard lock(each.where->mutex_);
        if (each.is_queued) each.where->list_of(each.what).remove(each);
    }
}

}  // namespace allcores::concurrency
