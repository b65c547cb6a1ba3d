// One of two libraries that need each other. Counts the calls that come to it.
extern int OTHER(int depth);
static int calls;

int NAME(int depth) {
    calls++;
    return depth > 0 ? OTHER(depth - 1) : calls;
}
