tr a-z A-Z < words.txt > result.txt
sort words.txt | uniq -c >> result.txt
