version 1.0

task upper {
  input { File words }
  command { tr a-z A-Z < ~{words} }
  output { File made = stdout() }
  runtime { docker: "debian:12" protes_weight: "0.3" }
}
