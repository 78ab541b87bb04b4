tr a-z A-Z < words.txt > upper.txt
sort words.txt | uniq -c > count.txt
cat upper.txt count.txt > result.txt
