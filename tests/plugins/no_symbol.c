/* A shared object that is no plugin. */
extern const int usher_servant __attribute__((visibility("default")));
const int usher_servant = 1;
