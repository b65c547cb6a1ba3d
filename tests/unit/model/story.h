// What happened in an execution, step by step, to be told when it has failed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace model {

class story {
 public:
    void begin() { steps_.clear(); }
    std::size_t length() const { return steps_.size(); }

    // `object` is only a name.
    void add(unsigned thread, const char* what, const void* object = nullptr) {
        steps_.push_back({thread, what, object, 0, false});
    }
    // Of the step before: what came of it.
    void saw(std::uint64_t value) {
        steps_.back().value = value;
        steps_.back().has_value = true;
    }

    // A line for each step. Objects are numbered as they come.
    std::string text() const {
        std::map<const void*, std::size_t> names;
        std::string text;
        for (const step& each : steps_) {
            text += "  thread " + std::to_string(each.thread) + ": " + each.what;
            if (each.object != nullptr) {
                const auto name = names.try_emplace(each.object, names.size()).first;
                text += " #" + std::to_string(name->second);
            }
            if (each.has_value) text += " (" + std::to_string(each.value) + ")";
            text += "\n";
        }
        return text;
    }

 private:
    struct step {
        unsigned thread;
        const char* what;
        const void* object;
        std::uint64_t value;
        bool has_value;
    };
    std::vector<step> steps_;
};

}  // namespace model
