# find_package(Cairn) makes Cairn::cairn; a program that links with it runs on Cairn.
get_filename_component(_cairn_prefix "${CMAKE_CURRENT_LIST_DIR}/../../../.." ABSOLUTE)

if(NOT TARGET Cairn::cairn)
    add_library(Cairn::cairn INTERFACE IMPORTED)
    # Kept even by a program that calls no malloc itself: its libraries do.
    set_target_properties(Cairn::cairn PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${_cairn_prefix}/include"
        INTERFACE_LINK_LIBRARIES
        "-Wl,--push-state,--no-as-needed,${_cairn_prefix}/lib/@MULTIARCH@/libcairn.so,--pop-state")
endif()

unset(_cairn_prefix)
