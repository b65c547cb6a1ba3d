// A library with a counter. NAME: the function that counts.
int NAME(void) {
    static int counter;
    return ++counter;
}
