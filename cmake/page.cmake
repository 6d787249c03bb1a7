# tt_embed_page(<layer> <folder>): the files of a folder, each as it is and compressed, become
# read-only data of a layer, see core/app/page/page_files.h. What is compressed is made here and
# not kept beside the files: it need not be reviewed, and the same tools give the same bytes.
find_program(GZIP_PROGRAM gzip REQUIRED)
find_program(BROTLI_PROGRAM brotli REQUIRED)

# Compresses a file of the page; its two outputs are `compressed`.
function(tt_compress source compressed)
  add_custom_command(
    OUTPUT ${compressed}.gz ${compressed}.br
    COMMAND ${CMAKE_COMMAND} -E copy ${source} ${compressed}
    COMMAND ${BROTLI_PROGRAM} --best --force --output=${compressed}.br ${compressed}
    COMMAND ${GZIP_PROGRAM} -9 --no-name --force ${compressed}
    DEPENDS ${source}
    VERBATIM)
endfunction()

function(tt_embed_page layer folder)
  set(out ${CMAKE_BINARY_DIR}/page)
  set(count 0)
  set(depends "")
  file(GLOB_RECURSE names CONFIGURE_DEPENDS RELATIVE ${folder} ${folder}/*)
  list(SORT names)
  if(NOT "index.html" IN_LIST names)
    message(FATAL_ERROR "${folder}: no index.html: the page is not built")
  endif()
  foreach(name ${names})
    if(NOT name MATCHES "^(index|404)\\.html$|^assets/[^/]+$")
      message(FATAL_ERROR "${folder}/${name}: no address leads to it (core/app/page/page.c)")
    endif()
    set(source ${folder}/${name})
    set(symbol page_file_${count})
    math(EXPR count "${count} + 1")
    get_filename_component(subfolder ${out}/${name} DIRECTORY)
    file(MAKE_DIRECTORY ${subfolder})
    tt_compress(${source} ${out}/${name})
    list(APPEND depends ${source} ${out}/${name}.gz ${out}/${name}.br)
    file(SHA256 ${source} hash)
    string(SUBSTRING ${hash} 0 32 hash)
    string(APPEND EMBEDDED
      "EMBED(${symbol}, \"${source}\");\n"
      "EMBED(${symbol}_gzip, \"${out}/${name}.gz\");\n"
      "EMBED(${symbol}_brotli, \"${out}/${name}.br\");\n")
    string(APPEND ROWS
      "    {\"${name}\", \"${hash}\",\n"
      "     {[TT_HTTP_IDENTITY] = BYTES(${symbol}), [TT_HTTP_GZIP] = BYTES(${symbol}_gzip),\n"
      "      [TT_HTTP_BROTLI] = BYTES(${symbol}_brotli)}},\n")
    # The hash above is of what the file is now.
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  endforeach()
  configure_file(${CMAKE_SOURCE_DIR}/cmake/page_files.c.in ${CMAKE_BINARY_DIR}/page_files.c @ONLY)
  set_source_files_properties(${CMAKE_BINARY_DIR}/page_files.c PROPERTIES OBJECT_DEPENDS "${depends}")
  target_sources(${layer} PRIVATE ${CMAKE_BINARY_DIR}/page_files.c)
endfunction()
