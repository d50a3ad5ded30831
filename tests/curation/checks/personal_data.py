"""A labelled set for personal data: real shapes of many countries, marked ⟦like this⟧, and texts that only look like them."""

REAL: dict[str, tuple[str, ...]] = {
    "PHONE": (
        # Germany
        "Rufen Sie mich unter ⟦0151 23456789⟧ an.", "Büro: ⟦030 12345678⟧, Mo bis Fr.", "Tel. ⟦0221/4710815⟧",
        "Fax: ⟦+49 (0)89 1234-5678⟧", "Handynummer ⟦017612345678⟧ notieren", "Zentrale ⟦(040) 428280⟧ fragen",
        "Ich bin unter ⟦0711 123 45 67⟧ zu erreichen.",
        # France
        "Appelez-moi au ⟦06 12 34 56 78⟧ demain.", "Standard : ⟦01.44.55.66.77⟧", "Mon portable est ⟦0612345678⟧.",
        "Depuis l'étranger ⟦+33 1 44 55 66 77⟧.", "ou bien ⟦0033 6 98 76 54 32⟧ le soir",
        # Spain
        "Llámame al ⟦612 345 678⟧ mañana.", "Mi móvil: ⟦655 12 34 56⟧", "Escribe al ⟦+34 912 345 678⟧.",
        "Teléfono ⟦933 445 566⟧ de la oficina", "Hoy estoy en el ⟦622 33 44 55⟧ todo el día.",
        # Italy
        "Chiamami al ⟦333 123 4567⟧ dopo le otto.", "Cellulare ⟦347-1234567⟧", "L'ufficio: ⟦+39 06 6982 1234⟧",
        "tel. ⟦02 72021234⟧ interno 3", "Il numero è ⟦+39 347 123 45 67⟧.",
        # United Kingdom
        "Ring ⟦020 7946 0123⟧ before noon.", "My mobile is ⟦07700 900123⟧.", "Or ⟦0161 496 0999⟧ in the evening.",
        "From abroad: ⟦+44 7700 900 456⟧", "Reception ⟦(01632) 960 123⟧ will know.", "Call ⟦+44 (0)131 496 0456⟧ today.",
        # United States and Canada
        "Call me at ⟦(415) 555-2671⟧ please.", "My cell: ⟦415-555-2671⟧", "Text ⟦212.555.0147⟧ instead.",
        "It is ⟦+1 604 555 0198⟧ now.", "phone ⟦3125550142⟧, ask for the clerk", "or ⟦1-416-555-0134⟧ after six",
        # Netherlands and Belgium
        "Bel me op ⟦06-12345678⟧ morgen.", "Telefoon ⟦020-5551234⟧", "Mijn nummer: ⟦06 1234 5678⟧",
        "Bereikbaar op ⟦+31 6 12345678⟧", "Gsm ⟦0471 12 34 56⟧", "Kantoor ⟦02 555 12 34⟧ in Brussel",
        # Switzerland and Austria
        "Meine Nummer ist ⟦079 123 45 67⟧.", "Praxis: ⟦044 668 18 00⟧", "aus dem Ausland ⟦+41 44 668 18 00⟧",
        "Erreichbar: ⟦0664 1234567⟧", "Wien ⟦+43 1 5123456⟧ wählen",
        # Poland
        "tel. ⟦601 234 567⟧", "Proszę dzwonić: ⟦+48 22 123 45 67⟧", "Komórka ⟦512-345-678⟧ po pracy",
        # Sweden, Denmark, Norway, Finland
        "Ring mig på ⟦070-123 45 67⟧ i morgon.", "Kontoret: ⟦08-123 456 78⟧", "Tlf. ⟦20 12 34 56⟧ efter kl. 16",
        "Mobil ⟦+45 31 23 45 67⟧", "Telefon ⟦901 23 456⟧ på dagtid", "Norge ⟦+47 22 12 34 56⟧ svarer",
        "Puh. ⟦040 123 4567⟧", "Soita ⟦+358 40 1234567⟧ huomenna",
        # Brazil and Portugal
        "Meu celular é ⟦(11) 91234-5678⟧.", "Ligue ⟦(21) 2345-6789⟧ agora", "WhatsApp: ⟦+55 11 98765-4321⟧",
        "Telemóvel: ⟦912 345 678⟧", "Fale para ⟦+351 21 123 4567⟧.",
        # India
        "Call me on ⟦98765 43210⟧ after five.", "Mobile: ⟦9876543210⟧", "Reach the desk at ⟦+91 98765 43210⟧.",
        # China, Japan, Korea
        "我的手机 ⟦13812345678⟧，请打。", "电话：⟦138 1234 5678⟧", "国外打 ⟦+86 138 1234 5678⟧", "携帯は⟦090-1234-5678⟧です。",
        "電話番号 ⟦03-1234-5678⟧ まで", "제 번호는 ⟦010-1234-5678⟧ 입니다.",
        # Australia, Russia, Türkiye, South Africa, Mexico
        "Mobile ⟦0412 345 678⟧, any time.", "Sydney office ⟦(02) 9374 4000⟧", "Звоните ⟦+7 912 345-67-89⟧ вечером.",
        "Звоните ⟦8 (912) 345-67-89⟧", "Numaram ⟦0532 123 45 67⟧.", "Ring ⟦082 123 4567⟧ at the lodge.", "Cel. ⟦+52 55 1234 5678⟧",
    ),
    "EMAIL": (
        "Write to ⟦kim@mail.example⟧ today.", "bitte an ⟦jürgen@müller.de⟧ senden", "⟦a.b+c@post.co.uk⟧ is mine",
        "cc: ⟦marit_oloway99@inbox.example.org⟧", "E-mail: ⟦t.hesk@uni-bremen.de⟧, room 4", "(⟦first.last@firm.io⟧)",
        "contacto: ⟦lucia-perez@correo.es⟧.", "⟦kim (at) mail (dot) com⟧ works too", "reach ⟦kim [at] mail.example⟧ first",
        "mail me: ⟦kim at mail dot com⟧", "<⟦ola.nordmann@epost.no⟧> skrev:", "ask ⟦x1@y2.museum⟧ for it",
        "Schreib an ⟦info.lena@web.de⟧!", "邮箱 ⟦wang.wei@mail.example.cn⟧ 请查收", "it was ⟦JANE.DOE@BIGCORP.COM⟧ all along",
        "mailto:⟦dora@post.example⟧ opens it", "from ⟦sean.ohara@post.ie⟧ in May",
        "pan ⟦jan.kowalski@poczta.pl⟧ pisze", "⟦rita@sub.dept.univ.example.edu⟧ teaches", "user=⟦bo@post.se⟧&x=1",
    ),
    "IBAN": (
        "IBAN ⟦DE44 5001 0517 5407 3249 31⟧", "Compte ⟦FR76 3000 6000 0112 3456 7890 189⟧ à débiter", "a ⟦IT60X0542811101000000123456⟧ entro maggio",
        "⟦ES9121000418450200051332⟧ es la cuenta", "pay ⟦GB90 MIDL 4005 1522 3344 55⟧ by Friday", "Rekening ⟦NL20INGB0001234567⟧",
        "auf ⟦CH93 0076 2011 6238 5295 7⟧ einzahlen", "konto ⟦PL61 1090 1014 0000 0712 1981 2874⟧", "⟦SE45 5000 0000 0583 9825 7466⟧ i banken",
        "op ⟦BE68 5390 0754 7034⟧ storten", "an ⟦AT611904300234573201⟧ zahlen", "para ⟦PT50 0002 0123 1234 5678 9015 4⟧",
        "til ⟦DK5000400440116243⟧", "tilille ⟦FI21 1234 5600 0007 85⟧",
    ),
    "CARD": (
        "My card is ⟦4532 0194 5807 3029⟧.", "Karte ⟦5425231573681936⟧ bis 09/29", "Amex ⟦3714 496303 64263⟧ please", "use ⟦371449630364263⟧ then",
        "卡号 ⟦6222022129972207⟧", "银行卡 ⟦6228480000000332247⟧ 的", "JCB ⟦3528-0005-3832-3640⟧", "the number ⟦6011 0005 6224 1541⟧ was charged",
        "Carte ⟦2223 0099 0951 4547⟧ perdue", "Visa: ⟦4917480405608652⟧, CVC 123", "card ⟦36227207527729⟧ (Diners)", "tarjeta ⟦6500 3137 5858 4717⟧ caducada",
    ),
    "ID": (
        "Mon numéro est ⟦2 84 07 75 073 202 15⟧.", "DNI ⟦80993261A⟧", "mi NIE es ⟦Y6200889B⟧ desde mayo", "rijksregister ⟦85.07.30-769.68⟧",
        "hetu ⟦140785-025D⟧", "personnummer ⟦19780614-5673⟧", "meine AHV ist ⟦756.9926.0509.48⟧", "CPF ⟦129.400.957-52⟧ do cliente",
        "身份证 ⟦110105197806142046⟧ 已登记", "주민등록번호 ⟦780614-2502509⟧", "PESEL ⟦78061474090⟧", "Steuer-ID ⟦98604577372⟧",
        "fødselsnummer ⟦14067801491⟧", "mijn BSN is ⟦379291745⟧", "Aadhaar ⟦3814 1566 5746⟧", "NHS number ⟦485 861 3038⟧", "NIF ⟦224218921⟧",
        "codice fiscale ⟦RSSMRA85T10A562S⟧", "CURP ⟦BOXW310820HNERXN41⟧", "my SIN is ⟦335-328-019⟧", "CPR ⟦140678-5110⟧", "TFN ⟦482 723 702⟧",
        "マイナンバー ⟦5524 2085 0010⟧", "SSN ⟦536-22-1234⟧", "National insurance ⟦AB 12 34 56 C⟧", "the SSN was ⟦219-44-8810⟧ then",
    ),
    "IP": (
        "The visitor came from ⟦84.112.33.207⟧ at noon.", "banned ⟦203.0.113.77⟧ again", "ssh root@⟦198.51.100.23⟧", "client ⟦45.83.64.12⟧ asked twice",
        "⟦2001:db8:85a3::8a2e:370:7334⟧ logged in", "from ⟦91.198.174.192⟧:443 it came", "his address ⟦8.26.56.26⟧ was logged",
    ),
    "NAME": (
        "Dear Ms ⟦Oloway⟧,\nthank you.", "Hello ⟦Kim⟧, how are you?", "It is done.\n\nKind regards,\n⟦Tobin van Hesk⟧", "My name is ⟦Marit Oloway⟧ and I ask.",
        "Sehr geehrte Frau ⟦Lindqvist⟧,\nvielen Dank.", "Bonjour ⟦Camille⟧,\nmerci.", "Hi ⟦Priya⟧! Lunch?", "Ich heiße ⟦Jonas Weber⟧.",
        "Dear ⟦Wren⟧,\nsee you.", "See you.\nBest,\n⟦Nadia Rahmani⟧",
    ),
}  # fmt: skip

LOOK_ALIKES: tuple[str, ...] = (
    # Dates, times, spans of them
    "The log says 05.03.2024 14:30 the pump stopped.", "Hours changed on 01/02/2023 09 in the hall.", "From 2024-01-15 10:30:00 on it ran.",
    "On 2024-03-05 10:15:00+01:00 it ended.", "Between 12.04.2023 and 18.04.2023 we were shut.", "Run of 20240612 0815 was good.",
    "2023-11-05T09:38:00Z and 2023-11-05T09:38:00.123456", "He lived 1890-1945 2 streets away.", "Seasons 2019-2020 2020-2021 2021-2022 were long.",
    "Open 08-12 14-18, closed at 20-24.", "0800 1200 - 1600 are opening times.", "am 03.04.2025 08 Uhr 15", "le 14/07/2023 11h30", "01-02-2023 09-30-00 was the stamp",
    "backup_20231105-0938.tar and backup_20231105-0930.tar", "the dumps 20240229-1530 and 20240301-0730", "Epoch 1700000000 is in 2023; 1699999999999 in ms.",
    "Timetable: 06 12 07 24 08 36 09 48", "Uhrzeiten 06.15 07.45 08.30 und 09.20", "Week 05 12 19 26 of the plan", "16:9 and 4:3, 10:30:45:12 in frames",
    # Versions, clauses, numbers of parts
    "Upgrade from 10.0.19045.3 to 2.31.0.", "See Table 1.2.3.4 of the norm.", "See clause 12.3.4.5 and version 4.18.0.305.", "Run step 3.1.2.4 twice.",
    "Driver 31.0.15.3623 and kernel 5.15.0.91 fit.", "section 4.10.2.1 says so", "1.2.3.4", "Chapter 2.4.6.8 begins here.", "Abschnitt 3.2.1.12 gilt.", "Firmware 1.16.4.21 is out.",
    "Release 8.0.33.1 and build 22621.2428", "schema 1.10.0.2 breaks", "OID 1.3.6.1.4.1.311.21.20", "Ziffer 7.12.3.1 entfällt.", "numpy 1.26.4, scipy 1.11.4, v0.9.12.3",
    "DIN EN 60 335-1 and ISO 9001-2015", "EN 50 131-1 and IEC 61000-4-2", "RFC 2822, RFC 5322 and ISO 8601-1:2019", "§ 12.4.1.3 of the contract", "CVE-2021-44228 and CVE-2014-0160",
    # Articles, orders, books, parcels
    "ISBN 978-3-16-148410-0 and ISBN 0-306-40615-2 are in print.", "ISBN 9783161484100, ISSN 0378-5955", "Article 4001234567892 lies on shelf 12; so does 4006381333931.",
    "The EAN 4006381333931 and the UPC 012345678905", "Order 4012888888881881-7", "item no 5555 5555 5555 4444", "Ticket INC-0012345678 and PO 450-001-2345",
    "see 0171-2345-6789-1 in the parts list", "part 0342-123456 is sold out", "SKU 0815-4711-00", "Bestellnummer 0305 201234", "Artikel-Nr. 020 1234567", "Invoice 2024-0012345 of May",
    "Rechnung 0049 2023 117", "tracking 00340434161094042557", "parcel JD014600003828392837", "serial 0123-4567-89", "catalogue 030 1234567", "Asset 0412 345 678 is a pump.",
    "ref 1-800-ABC-12", "lot 04 12 23 34 45", "0123 4567 89 is a sequence", "sequence 0123456789", "order 600 123 456", "batch 98765 43210 was tested", "case 212-555-0123 was closed",
    "ZIP 90210 94103", "DOI 10.1000/182 and 10.1038/nphys1170", "arXiv 2301.12345 and 1706.03762", "PMID 12345678, PMC 7654321", "patent 98765 43210", "IMEI 356938035643809",
    # Amounts and figures
    "After 12 345 678 rows it ended.", "It cost 1 234 567 dollars.", "1.234.567,89 Euro und 12.345.678 Stück", "Scores 10-12-15 20-22-25, tel quel", "pages 100-120 and 200-240",
    "Coordinates 48.8566, 2.3522 and 52.5200 13.4050", "matrix [0 1 2 3 4 5 6 7 8 9]", "Drawn numbers: 01 12 23 34 45 06", "drawn: 05 12 23 34 45", "3.141592653589793 and 2.718281828",
    "between 100 000 000 and 200 000 000", "+12 345 678 rows more", "a change of +3 500 000", "ratio 1:1000:2000", "64 128 256 512 1024 2048", "640 480 1080 720",
    "0.1 0.01 0.001 0.0001", "1024x768 1920x1080", "Population 600 000 000 in 1950", "-273.15 and +1000.00", "10 000 - 20 000 - 30 000", "00:1A:2B:3C:4D:5E is its MAC",
    "12-18-24-36", "1/2/3/4/5/6", "500-600-7000", "Room 020 1234", "call 112 or 911", "dial 0 for help", "mobile 5.1.2.101 came out", "2 000 000 000 years",
    # Hashes and codes
    "UUID 550e8400-e29b-41d4-a716-446655440000", "commit 356a192b7913b04c54574d18c28d46e6395428ab", "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "IBAN DE88 3704 0044 0532 0130 00 is mistyped", "colour #1a2b3c4d", "0xDEADBEEF 0x00FF00FF", "GTIN 00012345600012", "Flight LH 1234 5678", "vector AB 12 34 56 X",
    "std::vector and a::b::c", "12:34:56:78", "fe::ed is a pun", "4111 1111 1111 1112 fails its check", "CPF 390.533.447-06 is wrong", "There are 44051401359 stars.",
    # What has an @
    "The icon logo@2x.png is loaded.", "clone git@github.com:acme/site.git on start", "Save it as report@final.docx", "pic@3x.jpg and pic@1.5x.webp", "pip install foo@1.2.3",
    "@types/node@20.1.0 from npm", "user@localhost:~$ ls", "getty@tty1.service failed", "left-pad@1.3.0-beta.one", "ssh admin@server.local", "import x from 'https://esm.sh/preact@10.5.13.js'",
    "@app.route and @pytest.fixture", "lodash@latest.tgz", "button@hover.css", "see @kim on the forum", "me @ home . then", "icon@dark.svg", "sum@total.xlsx", "docker pull repo/app@sha256",
    "a@b", "eggs @ 2.50 each", "deploy@prod.internal", "page@1.html", "git clone ssh://git@gitlab.com/acme/x.git",
    # Greetings that go to no person
    "Hi Python, meet Java.", "Hello World, welcome.", "Dear Customer Service,\nplease help.", "Hello Kubernetes!", "Hi ChatGPT, write a poem.", "Dear Diary, today it rained.",
    "Hi Siri, set a timer.", "Hello Paris!", "Hey Google, stop.", "Hi Rust, bye C.", "Dear Hiring Manager,\nI apply.", "Hello Monday!", "Hi Docker, hi Podman.", "Dear Santa,\nplease.",
    "Hello Spring! The garden wakes.", "Hi Alexa, play it.", "Bonjour Paris, il pleut.", "Hallo Berlin!", "Hello Visual Studio, goodbye Vim.", "Dear Support Team,\nhelp.", "Hi Team, all well?",
    "key = drug_name", "Thanks,\nThe Team",
)  # fmt: skip

# Fields whose names end in "name", of things and not of persons.
THINGS_FIELDS = (
    "drug_name",
    "gene_name",
    "variable_name",
    "song_name",
    "species_name",
    "team_name",
    "car_name",
    "street_name",
    "product_name",
    "file_name",
    "dataset_name",
    "game_name",
    "plant_name",
    "ship_name",
    "hotel_name",
    "course_name",
    "movie_name",
    "band_name",
    "font_name",
    "domain_name",
)
PERSONS_FIELDS = (
    "name",
    "author",
    "full_name",
    "first_name",
    "last_name",
    "customer_name",
    "patient_name",
    "contact_name",
    "teacher_name",
)
