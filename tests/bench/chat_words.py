# ruff: noqa: SIM905 - lists of this length are read more easily as text.
"""The words of the generated rows."""

NOUNS = """
time year people way day man thing woman life child world school state family student group country problem hand
part place case week company system program question work government number night point home water room mother area
money story fact month lot right study book eye job word business issue side kind head house service friend father
power hour game line end member law car city community name president team minute idea body information back parent
face level office door health person art war history party result change morning reason research girl guy moment air
teacher force education foot boy age policy process music market sense nation plan college interest death experience
effect use class control care field development role effort rate heart drug show leader light voice wife police mind
price report decision son view relationship town road arm difference value building action season society tax
director position player record paper space ground form event official matter center couple site project activity
star table need court oil situation cost industry figure street image phone data picture practice piece land product
doctor wall patient worker news test movie north love support technology step baby computer type attention film tree
source hair look chance evidence fish energy bridge harbour valley engine library museum river station hospital
factory bakery orchard garden satellite laboratory vaccine theatre stadium election council budget committee
festival harvest winter drought storm forest coast island mountain village railway airport ferry tunnel reactor
turbine battery sensor robot algorithm dataset model network server protocol archive manuscript portrait sculpture
orchestra choir novel poem critic editor translator curator engineer architect carpenter farmer fisherman sailor
pilot nurse surgeon lawyer judge senator mayor minister ambassador historian physicist chemist biologist geologist
economist
""".split()
VERBS = """
is was has had said made went took came saw knew got gave found thought told became showed left felt put brought
began kept held wrote stood heard let meant set met ran paid sat spoke lay led read grew lost fell sent built
understood drew broke spent cut rose drove bought wore chose opened closed started helped moved lived believed
happened provided included continued changed watched followed stopped created allowed added walked offered
remembered loved considered appeared waited served died expected stayed reached remained suggested raised passed
required reported decided pulled announced rejected approved delayed measured repaired restored painted translated
published recorded launched tested designed assembled inspected harvested planted cooked sailed climbed painted
questioned defended criticised praised
""".split()
ADJECTIVES = """
other new good high old great big small large national young different black long little important political bad
white real best right social only public sure low early able human local late hard major better economic strong
possible whole free military true federal international full special easy clear recent certain personal open red
difficult available likely short single medical current wrong private past foreign fine common poor natural
significant similar hot dead central happy serious ready simple left physical general environmental financial blue
democratic dark various entire close legal religious cold final main green nice huge popular traditional cultural
narrow quiet ancient fragile remote crowded abandoned brilliant modest curious reluctant generous cautious ambitious
ordinary peculiar
""".split()
ADVERBS = """
slowly quickly carefully quietly suddenly finally usually often rarely almost nearly probably clearly largely mostly
recently eventually already again together abroad indoors apparently reportedly gradually sharply briefly politely
firmly
""".split()
PREPOSITIONS = """
of in to for with on at from by about into over after under between during without against among through beyond near
behind across despite
""".split()
DETERMINERS = """
the the the the a a this that every some its their our his her another no each
""".split()
CONJUNCTIONS = """
and but because while although so when after before unless since
""".split()
OPENERS = """
However, Meanwhile, Yesterday, Today, Still, Moreover, Indeed, Later, Instead, Earlier, Nevertheless, Afterwards,
Perhaps Inside, Outside,
""".split()
FRENCH = """
le la les un une des de du et en dans pour avec sur par que qui ne pas plus mais ou où est sont était été avait
cette leur très année ville rivière école maison marché élève gouvernement projet forêt théâtre hôpital médecin
société énergie réseau données modèle bibliothèque musée société près après déjà toujours jamais souvent grand petit
nouvelle ancien première dernier
""".split()
GERMAN = """
der die das ein eine und in zu mit auf für von dem den des nicht auch aber oder wenn weil nach über unter zwischen
ist war sind wurde hatte werden können müssen Jahr Stadt Fluss Schule Haus Markt Schüler Regierung Projekt Wald
Theater Krankenhaus Ärztin Gesellschaft Energie Netzwerk Daten Modell Bücherei Museum bereits immer niemals häufig
große kleine neue alte erste letzte Brücke Straße
""".split()
SYLLABLES = """
ba be bi bo bu ca co da de di do du fa fe fi fo ga ge go ha he hi ho ja jo ka ke ki ko ku la le li lo lu ma me mi mo
mu na ne ni no nu pa pe pi po ra re ri ro ru sa se si so su ta te ti to tu va ve vi vo wa we wi wo ya yo za ze zi zo
bran dor fel gar hal kin lan mar nor pel quin ros stan tor ul ven wex é ö ñ
""".split()
SOURCES = """
news wiki forum blog press archive mail
""".split()
LANGUAGES = """
en en en en en en en en fr de
""".split()
SUMMARIES = """
Briefly, Overall, Simply: Today, Summary:
""".split()
# N noun, V verb, J adjective, A adverb, P preposition, D determiner, C conjunction, O opener, X name, # number.
PATTERNS = [
    ["D", "J", "N", "V", "P", "D", "N"],
    ["D", "N", "V", "D", "J", "N", "P", "D", "N"],
    ["D", "N", "P", "D", "N", "V", "A"],
    ["X", "V", "D", "N", "P", "X"],
    ["D", "J", "N", "V", "A", "C", "D", "N", "V", "P", "D", "J", "N"],
    ["O", "D", "N", "V", "P", "D", "N", "P", "D", "N"],
    ["X", "and", "X", "V", "D", "N", "C", "D", "N", "V", "A"],
    ["D", "N", "V", "P", "D", "N", "P", "D", "J", "N", "of", "D", "N"],
    ["N", "J", "V", "P", "#", "N", "P", "D", "N"],
    ["D", "N", "C", "X", "V", "D", "J", "N", "A"],
    ["A", "D", "J", "J", "N", "V", "P", "D", "N", "C", "D", "N", "of", "X", "V", "P", "D", "N"],
    ["in", "#", "D", "N", "V", "D", "N", "P", "D", "N", "P", "D", "J", "N"],
]
