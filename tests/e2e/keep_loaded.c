/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded with the sanitizers: modules stay in memory until the end, so that
 * a leak report can still name the functions of an unloaded provider.
 */
int dlclose(void *handle);

__attribute__((visibility("default"))) int dlclose(void *handle)
{
    (void)handle;
    return 0;
}
